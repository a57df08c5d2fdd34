"""The payment gateway through its real bootstrap: real database, outbox, relay and follower, a chain beside it."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, Self

import httpx
from chain_kit import API, CARRIER, PAYMENT, SETTLEMENT, signer
from chain_world import Deal, terms
from little_chain import LittleChain

from payment_gateway.bootstrap import PaymentGateway, bootstrap
from payment_gateway.settings import Settings
from sps.chain.genesis import genesis_bytes
from sps.eventlog.memory import MemoryLog
from sps.eventlog.port import NewRecord
from sps.eventlog.topics import PAYOUTS, TOPICS
from sps.money import Money
from sps.runtime.clock import ManualClock
from sps.runtime.probe import Probe, no_probe
from sps.transactions.orders import Order, order_partition, seal_order
from sps.transactions.terms import PayoutWish
from sps.transactions.values import WireMoney

NOW_MS: Final = 1_800_000_000_000
TOKEN: Final = "an-internal-token"
PATIENCE_S: Final = 15.0
RETURN_URL: Final = "https://shop.example/back"


class Nobody:
    """Validators that cannot be reached."""

    async def blocks(self, _first: int, _limit: int) -> list[bytes]:
        return []

    async def batch(self, _digest: bytes) -> bytes | None:
        return None

    async def stop(self) -> None:
        """Nothing is open."""


class PaymentTown:
    """A gateway, a chain, and a settlement service that signs orders."""

    def __init__(
        self, folder: Path, providers: Mapping[str, Any], *, probe: Probe = no_probe, **settings: Any
    ) -> None:
        self.log = MemoryLog()
        self.chain = LittleChain(self.log)
        start = self.chain.state.result_of(0)
        self.chain.kit.result(0, start.app_hash, start.results_root)
        self.clock = ManualClock(NOW_MS)
        self.folder = folder
        self.providers = providers
        self._settings = settings
        self.probe = probe
        self.gateway: PaymentGateway
        self.http: httpx.AsyncClient

    async def __aenter__(self) -> Self:
        await self.log.start()
        await self.up()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.down()
        await self.log.stop()

    async def up(self) -> None:
        """Start the gateway, anew when it was stopped."""
        self.gateway = await bootstrap(
            self.settings(),
            log=self.log,
            clock=self.clock,
            probe=self._at,
            providers=self.providers,
            peers=Nobody(),
        )
        await self.gateway.start()
        self.http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.gateway.port}",
            headers={"authorization": f"Bearer {TOKEN}"},
            trust_env=False,
        )

    def _at(self, step: str) -> None:
        """The probe may be changed while the gateway runs."""
        self.probe(step)

    async def down(self) -> None:
        await self.http.aclose()
        await self.gateway.stop()

    def settings(self) -> Settings:
        genesis, key = self.folder / "genesis.json", self.folder / "payment.key"
        genesis.write_bytes(genesis_bytes(self.chain.kit.genesis))
        key.touch(0o600)
        key.write_text(hashlib.sha256(b"sps-chain-kit|" + PAYMENT.encode()).hexdigest() + "\n")
        values: dict[str, Any] = {
            "database_url": f"sqlite+aiosqlite:///{self.folder / 'gateway.db'}",
            "genesis": genesis,
            "key": key,
            "internal_token": TOKEN,
        }
        return Settings(**(values | self._settings))

    @contextlib.asynccontextmanager
    async def another(self) -> AsyncIterator[PaymentGateway]:
        """A second instance of the gateway on the same database and log, with the same providers."""
        gateway = await bootstrap(
            self.settings(), log=self.log, clock=self.clock, providers=self.providers, peers=Nobody()
        )
        await gateway.start()
        try:
            yield gateway
        finally:
            await gateway.stop()

    async def agreed(self, name: str = "deal", **changes: Any) -> Deal:
        """A contract that both have accepted and nobody has paid."""
        deal = Deal(name, terms(**changes))
        await self.chain.say(API, deal.offer(), deal.accept())
        await self.followed()
        return deal

    async def followed(self, at_ms: int | None = None) -> None:
        """The next block, followed by the gateway."""
        await self.chain.block(at_ms or self.clock.now_ms())
        await asyncio.wait_for(self.gateway.follower.reached(self.chain.kit.height), PATIENCE_S)

    async def next_block(self) -> None:
        """The next block, as soon as something waits for it."""
        await self.until(self.chain.waiting)
        await self.followed()

    async def until(self, holds: Callable[[], Awaitable[Any]]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not await holds():  # noqa: ASYNC110 what is waited for has no event
                await asyncio.sleep(0.005)

    async def open_payment(
        self, deal: Deal, provider: str = "alipay", height: int | None = None
    ) -> httpx.Response:
        seen = self.chain.kit.height if height is None else height
        wish = {"contract": deal.id, "height": seen, "provider": provider, "return_url": RETURN_URL}
        return await self.http.post("/internal/payments", json=wish)

    async def beneficiary(self, provider: str = "alipay", account: str = "2088000000000009") -> str:
        body = {"provider": provider, "account": account, "name": "Alice"}
        answer = await self.http.post("/internal/beneficiaries", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["beneficiary"])

    async def call_back(
        self, event: str, kind: str, subject: str, provider: str = "alipay"
    ) -> httpx.Response:
        """A genuine callback of the fake provider."""
        return await self.http.post(
            f"/webhooks/{provider}", content=f"good {event} {kind} {subject}".encode()
        )

    async def paid(self, deal: Deal, amount: Money | None = None, provider: str = "alipay") -> str:
        """The buyer pays, the provider calls back, the chain knows; returns the payment."""
        answer = await self.open_payment(deal, provider)
        assert answer.status_code == 201, answer.text
        payment = str(answer.json()["payment"])
        await self.next_block()
        self.providers[provider].paid[payment] = amount or Money(int(deal.terms.price), deal.terms.currency)
        await self.call_back(f"evt-{payment}", "payment", payment, provider)
        await self.next_block()
        return payment

    async def payout_ordered(
        self, name: str = "sale", beneficiary: str = "", provider: str = "alipay"
    ) -> Order:
        """A paid and delivered contract; the payout that the chain ordered, as settlement spells it."""
        committed = beneficiary or await self.beneficiary(provider)
        deal = await self.agreed(name, payout=PayoutWish(provider, committed))
        await self.paid(deal, provider=provider)
        await self.chain.say(CARRIER, deal.book())
        await self.followed()
        await self.chain.say(CARRIER, deal.delivered(self.clock.now_ms()))
        await self.followed()
        payout = next(one for one in self.chain.state.payouts.values() if one.contract == deal.id)
        return Order(
            id=payout.id,
            kind="payout",
            height=self.chain.kit.height,
            index=0,
            provider=provider,
            amount=WireMoney(payout.currency, str(payout.amount)),
            beneficiary=payout.beneficiary,
        )

    async def refund_ordered(self, name: str = "undone", provider: str = "alipay") -> Order:
        """A paid contract that the seller cancels; the refund that the chain ordered."""
        deal = await self.agreed(name)
        await self.paid(deal, provider=provider)
        await self.chain.say(API, deal.cancel())
        await self.followed()
        refund = self.chain.state.contracts[deal.id].refunds[0]
        return Order(
            id=refund.id,
            kind="refund",
            height=self.chain.kit.height,
            index=0,
            provider=provider,
            amount=WireMoney(refund.currency, str(refund.amount)),
            payment=refund.payment,
        )

    async def send_order(self, order: Order, by: str = SETTLEMENT) -> None:
        """Settlement (or somebody else) signs the order and appends it."""
        record = seal_order(order, signer(by), self.chain.kit.chain_id)
        await self.send_record(order.id, record)

    async def send_record(self, order: str, record: bytes) -> None:
        partition = order_partition(order, TOPICS[PAYOUTS].partitions)
        await self.log.append(PAYOUTS, partition, [NewRecord(order.encode(), record)])

    async def order_is(self, order: Order, *states: str) -> bool:
        row = await self.gateway.orders.order(order.id)
        return row is not None and row.machine.state in states

    def payout_state(self, order: Order) -> str:
        """The payout as the chain sees it."""
        return self.chain.state.payouts[order.id].state

    def kinds(self, code: str = "OK") -> list[str]:
        """What the chain has executed with this code, in order."""
        return [receipt.kind for receipt in self.chain.receipts if receipt.code == code]

    def count(self, metric: str, **labels: str) -> float:
        return self.gateway.registry.get_sample_value(metric, labels) or 0.0
