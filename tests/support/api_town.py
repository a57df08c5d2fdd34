"""contract-api through its real bootstrap, on a real chain of one validator that makes a block whenever facts wait.

The gateways are small real HTTP servers of their own (`FakeGateways`); what they vouch for is said on the chain.
"""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Self

import httpx
from api_gateways import gateways_of
from chain_kit import API, CARRIER, PAYMENT, SETTLEMENT
from little_chain import LittleChain

from contract_api.bootstrap import ContractApi, bootstrap
from contract_api.settings import Settings
from sps import identifiers
from sps.chain.genesis import genesis_bytes
from sps.eventlog.memory import MemoryLog
from sps.ledger.fx import cross_rate
from sps.runtime.clock import ManualClock
from sps.runtime.http import HttpServer
from sps.runtime.ids import new_id
from sps.runtime.probe import Probe, no_probe
from sps.transactions.values import WireMoney
from sps.transactions.vocabulary import (
    LockQuote,
    ParcelEvidence,
    PaymentCleared,
    PayoutPaid,
    PublishRates,
    Rate,
    Transaction,
)

TOKEN: Final = "internal-token-of-the-tests"
PUMP_S: Final = 0.002
FOLLOW_S: Final = 15.0
PATIENCE_S: Final = 60.0
NOW_MS: Final = 1_700_000_100_000
DOCUMENT: Final = "ab" * 32

OFFER: Final[dict[str, Any]] = {
    "amount": {"minor": "128000", "currency": "CNY"},
    "description": "Ceramic tea set",
    "ship_to": {
        "name": "Bob Canary",
        "street": "Invalidenstrasse 1",
        "city": "Berlin",
        "postcode": "10115",
        "country": "DE",
    },
    "carriers": ["dhl"],
    "release": "on_delivery",
    "fees": {"fee_bp": 100},
}


async def eventually(holds: Callable[[], Awaitable[bool]], limit_s: float = 5.0) -> None:
    """Return when it holds; fail when it does not in time."""
    end = time.monotonic() + limit_s
    while not await holds():
        assert time.monotonic() < end, f"waited {limit_s} s in vain"
        await asyncio.sleep(PUMP_S)


class Nobody:
    """No validator answers."""

    async def blocks(self, _first: int, _limit: int) -> list[bytes]:
        return []

    async def batch(self, _digest: bytes) -> bytes | None:
        return None

    async def stop(self) -> None:
        return


class ApiTown:
    """Everything a test of contract-api needs."""

    def __init__(self, folder: Path, *, probe: Probe = no_probe, **settings: Any) -> None:
        self.log = MemoryLog()
        self.chain = LittleChain(self.log)
        self.clock = ManualClock(NOW_MS)
        self.folder = folder
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self._probe = probe
        self._settings = settings
        self._gateways = HttpServer(gateways_of(self))
        self._gateways_port = 0
        self._pump: asyncio.Task[None] | None = None
        self.used: set[str] = set()
        self.paused = False
        """While it is, no block is made: facts wait, as when consensus stands still."""
        self.api: ContractApi
        self.http: httpx.AsyncClient

    async def __aenter__(self) -> Self:
        await self.log.start()
        await self._gateways.start()
        await self.up()
        self._pump = asyncio.create_task(self._make_blocks())
        return self

    async def __aexit__(self, *_error: object) -> None:
        assert self._pump is not None
        self._pump.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._pump
        await self.down()
        await self._gateways.stop()
        await self.log.stop()

    async def up(self) -> None:
        self.api = await bootstrap(
            self.settings(), log=self.log, clock=self.clock, probe=self._probe, peers=Nobody()
        )
        await self.api.start()
        self.http = httpx.AsyncClient(base_url=self.api.server.url, trust_env=False, timeout=PATIENCE_S)

    async def down(self) -> None:
        await self.http.aclose()
        await self.api.stop()

    async def gateways_away(self) -> None:
        """Nobody answers at the gateways' address."""
        self._gateways_port = self._gateways.port
        await self._gateways.stop()

    async def gateways_back(self) -> None:
        """They are there again, at the same address."""
        self._gateways = HttpServer(gateways_of(self), port=self._gateways_port)
        await self._gateways.start()

    @contextlib.asynccontextmanager
    async def another(self) -> AsyncIterator[httpx.AsyncClient]:
        """A second instance of the service on the same database and log."""
        api = await bootstrap(self.settings(), log=self.log, clock=self.clock, peers=Nobody())
        await api.start()
        try:
            async with httpx.AsyncClient(
                base_url=api.server.url, trust_env=False, timeout=PATIENCE_S
            ) as http:
                yield http
        finally:
            await api.stop()

    def settings(self, **changes: Any) -> Settings:
        genesis, key = self.folder / "genesis.json", self.folder / "api.key"
        genesis.write_bytes(genesis_bytes(self.chain.kit.genesis))
        key.touch(0o600)
        key.write_text(hashlib.sha256(b"sps-chain-kit|" + API.encode()).hexdigest() + "\n")
        values: dict[str, Any] = {
            "database_url": f"sqlite+aiosqlite:///{self.folder / 'api.db'}",
            "genesis": genesis,
            "key": key,
            "custody_key": self.folder / "custody.key",
            "internal_token": TOKEN,
            "peers": (),
            "payment_gateway_url": self._gateways.url,
            "carrier_gateway_url": self._gateways.url,
            "open_registration": True,
            "wait_s": 15,
        }
        return Settings(**(values | self._settings | changes))

    # --- what parties do ------------------------------------------------------------------------

    async def merchant(self, name: str = "Alice") -> str:
        answer = await self.http.post("/v1/merchants", json={"name": name})
        return str(answer.json()["api_key"])

    async def post(
        self, path: str, body: Any, secret: str, key: str = "k", http: httpx.AsyncClient | None = None
    ) -> httpx.Response:
        headers = {"authorization": f"Bearer {secret}", "idempotency-key": key}
        return await (http or self.http).post(path, json=body, headers=headers)

    async def get(self, path: str, secret: str) -> httpx.Response:
        return await self.http.get(path, headers={"authorization": f"Bearer {secret}"})

    async def offered(self, secret: str, key: str = "offer", **changes: Any) -> dict[str, Any]:
        answer = await self.post("/v1/contracts", OFFER | changes, secret, key)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def agreed(self, secret: str, key: str = "offer", **changes: Any) -> dict[str, Any]:
        deal = await self.offered(secret, key, **changes)
        body = {"terms_hash": deal["terms_hash"]}
        answer = await self.post(f"/v1/contracts/{deal['contract']}/acceptance", body, deal["buyer_token"])
        assert answer.status_code == 200, answer.text
        return deal

    async def funded(self, secret: str, key: str = "offer", **changes: Any) -> dict[str, Any]:
        deal = await self.agreed(secret, key, **changes)
        await self.pay(deal)
        return deal

    async def released(self, secret: str, key: str = "offer", **changes: Any) -> dict[str, Any]:
        deal = await self.funded(secret, key, **changes)
        body = {"parcel": "p1", "carrier": "dhl", "tracking_number": f"77777{len(self.used):05d}"}
        answer = await self.post(f"/v1/contracts/{deal['contract']}/parcels", body, secret, f"{key}-parcel")
        assert answer.status_code == 201, answer.text
        await self.deliver(deal)
        return deal

    # --- what the other services vouch for -------------------------------------------------------

    async def say(self, producer: str, *transactions: Transaction) -> None:
        """Say facts on the chain and wait until contract-api has folded them."""
        await self.chain.say(producer, *transactions)
        await eventually(self._all_ordered)
        await self.followed()

    async def followed(self) -> None:
        """contract-api has folded all blocks."""
        async with asyncio.timeout(FOLLOW_S):
            await self.api.follower.reached(self.chain.state.height)

    async def pay(self, deal: dict[str, Any], minor: str | None = None) -> None:
        amount = WireMoney(deal["amount"]["currency"], minor or deal["amount"]["minor"])
        payment = new_id(identifiers.PAYMENT)
        cleared = PaymentCleared(
            self.event(), deal["contract"], payment, "alipay", payment, amount, "cd" * 32
        )
        await self.say(PAYMENT, cleared)

    async def deliver(self, deal: dict[str, Any]) -> None:
        parcel = self.chain.state.contracts[deal["contract"]].parcels[0]
        evidence = ParcelEvidence(
            self.event(),
            deal["contract"],
            "p1",
            "dhl",
            parcel.tag,
            "delivered",
            "pulled",
            self.chain.state.time_ms,
            "ef" * 32,
            ship_to=deal["terms"]["ship_to"],
            document="12" * 32,
        )
        await self.say(CARRIER, evidence)

    async def publish_rates(self) -> None:
        rates = (Rate("CNY", "78512", "10000"), Rate("USD", "10850", "10000"))
        as_of_ms = self.chain.state.time_ms
        await self.say(SETTLEMENT, PublishRates(self.event(), "ecb", "EUR", as_of_ms, DOCUMENT, rates))

    async def lock(self, quote: str) -> None:
        num, den = cross_rate((78512, 10000), (1, 1))
        expires_ms = self.chain.state.time_ms + 120_000
        await self.say(
            SETTLEMENT, LockQuote(self.event(), quote, DOCUMENT, str(num), str(den), 50, expires_ms)
        )

    async def requested_quote(self) -> str:
        """The first quote on the chain, once it was asked for."""

        async def asked() -> bool:
            return bool(self.chain.state.quotes)

        await eventually(asked)
        return next(iter(self.chain.state.quotes))

    async def _all_ordered(self) -> bool:
        return not await self.chain.waiting()

    async def paid_out(self, payout: str) -> None:
        await self.say(PAYMENT, PayoutPaid(self.event(), payout, "po_1", "aa" * 32))

    def event(self) -> str:
        return new_id(identifiers.EVENT)

    async def _make_blocks(self) -> None:
        while True:
            if not self.paused and await self.chain.waiting():
                await self.chain.block()
            await asyncio.sleep(PUMP_S)

    async def empty_blocks(self, count: int) -> None:
        """Let the results of the newest block be carried by later ones."""
        for _ in range(count):
            await self.chain.block()
        await self.followed()
