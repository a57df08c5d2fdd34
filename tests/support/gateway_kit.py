"""The carrier gateway through its real bootstrap: real database, outbox, relay and follower, a chain beside it.

The carriers are fakes of the port `Carrier` that keep its promises; or the real adapters against `SmallCarrier`.
"""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import httpx
from chain_kit import API, CARRIER, PAYMENT, signer
from chain_world import Deal, terms
from little_chain import LittleChain

from carrier_gateway.application.carrier_port import (
    Carrier,
    CarrierRefused,
    Forged,
    Genuine,
    Handshake,
    Message,
    Notice,
    Observed,
    Pulled,
    WebhookRequest,
)
from carrier_gateway.bootstrap import CarrierGateway, bootstrap
from carrier_gateway.core.normal_forms import Destination, ship_to
from carrier_gateway.core.tracking import Observation, Scan
from carrier_gateway.settings import Settings
from sps.chain.genesis import genesis_bytes
from sps.eventlog.memory import MemoryLog
from sps.runtime.clock import ManualClock
from sps.runtime.probe import Probe, no_probe
from sps.transactions.terms import Tranche

NOW_MS: Final = 1_772_456_760_000
"""2026-03-02T13:06:00Z, a minute after the recorded deliveries."""
SALT: Final = bytes(range(32))
TOKEN: Final = "an-internal-token"
PATIENCE_S: Final = 15.0
NUMBER: Final = "7777777770"
PLACE: Final = Destination("DE", "10115")


class FakeCarrier:
    """A carrier that tells what the test sets. Messages are JSON: `{"id", "number", "status", "at"}`."""

    def __init__(self, name: str = "dhl", origin: str = "signed", key: str = "right") -> None:
        self.name = name
        self.origin = origin
        self.key = key
        self.parcels: dict[str, Observation] = {}
        self.complete = True
        self.failure: Exception | None = None
        self.subscribed: list[str] = []
        self.pulled: list[str] = []
        self.confirmed: list[str] = []
        self.stopped = False

    def prove(self, request: WebhookRequest) -> Genuine | Forged:
        if request.header("x-secret") != self.key:
            return Forged("signature")
        key = hashlib.sha256(request.body).hexdigest()
        return Genuine("signed" if self.origin == "signed" else "pushed", key)

    def interpret(self, body: bytes) -> Sequence[Message]:
        try:
            told = json.loads(body)
        except ValueError:
            return (Notice("unreadable"),)
        if "handshake" in told:
            return (Handshake(told["handshake"], "s"),)
        if "break" in told:
            raise ZeroDivisionError
        document = hashlib.sha256(body).hexdigest() if told.get("signed_by") else None
        scan = Scan(told["status"], told["at"])
        return (Observed(Observation(told["number"], (scan,), told.get("to") and PLACE, document)),)

    async def subscribe(self, number: str) -> str:
        self._fail()
        self.subscribed.append(number)
        return f"sub-{number}"

    async def pull(self, number: str, reference: str) -> Pulled:
        self.pulled.append(number)
        self._fail()
        observation = self.parcels.get(number)
        return Pulled(repr(observation).encode(), observation, self.complete)

    async def confirm(self, handshake: Handshake) -> None:
        self._fail()
        if not handshake.url.startswith("https://carrier.test/"):
            raise CarrierRefused("FOREIGN_ADDRESS", "not ours")
        self.confirmed.append(handshake.url)

    async def stop(self) -> None:
        self.stopped = True

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure

    def at(self, number: str, *scans: tuple[Any, int], document: str | None = None) -> None:
        """Where the parcel is, for the next pull."""
        self.parcels[number] = Observation(number, tuple(Scan(*scan) for scan in scans), PLACE, document)


def message(status: str = "delivered", at: int = NOW_MS, number: str = NUMBER, **more: Any) -> dict[str, Any]:
    """What `FakeCarrier` understands."""
    return {"number": number, "status": status, "at": at, **more}


class Town:
    """A gateway, a chain and a funded contract for each name."""

    def __init__(
        self,
        folder: Path,
        carriers: Mapping[str, Carrier],
        *,
        probe: Probe = no_probe,
        log: MemoryLog | None = None,
        **settings: Any,
    ) -> None:
        self.log = log or MemoryLog()
        self.chain = LittleChain(self.log)
        self.clock = ManualClock(NOW_MS)
        self.folder = folder
        self.carriers = carriers
        self._settings = settings
        self._probe = probe
        self.gateway: CarrierGateway
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
        settings = self.settings()
        self.gateway = await bootstrap(
            settings,
            log=self.log,
            clock=self.clock,
            probe=self._probe,
            carriers=self.carriers,
            peers=Nobody(),
        )
        await self.gateway.start()
        self.http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.gateway.port}",
            headers={"authorization": f"Bearer {TOKEN}"},
            trust_env=False,
        )

    async def down(self) -> None:
        await self.http.aclose()
        await self.gateway.stop()

    def settings(self) -> Settings:
        genesis, key = self.folder / "genesis.json", self.folder / "carrier.key"
        genesis.write_bytes(genesis_bytes(self.chain.kit.genesis))
        key.touch(0o600)
        key.write_text(hashlib.sha256(b"sps-chain-kit|" + CARRIER.encode()).hexdigest() + "\n")
        assert signer(CARRIER)
        values: dict[str, Any] = {
            "database_url": f"sqlite+aiosqlite:///{self.folder / 'gateway.db'}",
            "genesis": genesis,
            "key": key,
            "internal_token": TOKEN,
            "tracking_pepper": "ab" * 32,
            "worker_pause_s": 0.02,
        }
        return Settings(**(values | self._settings))

    @contextlib.asynccontextmanager
    async def another(self) -> AsyncIterator[CarrierGateway]:
        """A second instance of the gateway on the same database and log, with the same carriers."""
        gateway = await bootstrap(
            self.settings(), log=self.log, clock=self.clock, carriers=self.carriers, peers=Nobody()
        )
        await gateway.start()
        try:
            yield gateway
        finally:
            await gateway.stop()

    async def funded(
        self, name: str = "deal", carrier: str = "dhl", booked_ms: int = NOW_MS, **changes: Any
    ) -> Deal:
        """A contract whose money is held; block time is `booked_ms` afterwards."""
        agreed = terms(
            ship_to=ship_to(PLACE, SALT),
            carriers=(carrier,),
            tranches=(Tranche("t1", "100000", ("p1",)),),
            **changes,
        )
        deal = Deal(name, agreed)
        await self.chain.say(API, deal.offer(), deal.accept())
        await self.chain.say(PAYMENT, deal.pay())
        receipts = await self.chain.block(booked_ms)
        # What the gateway itself still had to say about another deal may stand in the same block.
        assert [receipt.code for receipt in receipts if receipt.subject == deal.id] == ["OK"] * 3, receipts
        return deal

    def wish(self, deal: Deal, **changes: Any) -> dict[str, str]:
        return {
            "contract": deal.id,
            "parcel": "p1",
            "carrier": "dhl",
            "tracking_number": NUMBER,
            "country": "DE",
            "postcode": "10115",
            "ship_to_salt": SALT.hex(),
        } | changes

    async def book(self, deal: Deal, **changes: Any) -> httpx.Response:
        return await self.http.post("/internal/parcels", json=self.wish(deal, **changes))

    async def booked(self, deal: Deal, **changes: Any) -> None:
        """Book, and let the chain answer."""
        answer = await self.book(deal, **changes)
        assert answer.status_code == 201, answer.text
        await self.next_block()
        await self.until(lambda: self.watch_is(deal, "booked"))

    async def next_block(self, at_ms: int | None = None) -> None:
        """The next block, as soon as something waits for it, followed by the gateway."""
        await self.until(self.chain.waiting)
        await self.chain.block(at_ms)
        await asyncio.wait_for(self.gateway.follower.reached(self.chain.kit.height), PATIENCE_S)

    async def shown(self, deal: Deal) -> dict[str, str]:
        answer = await self.http.get(f"/internal/parcels/{deal.id}/p1")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def watch_is(self, deal: Deal, state: str) -> bool:
        return (await self.shown(deal))["state"] == state

    async def push(self, body: bytes | dict[str, Any], carrier: str = "dhl", key: str = "right") -> int:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = await self.http.post(f"/webhooks/{carrier}", content=content, headers={"x-secret": key})
        return answer.status_code

    async def until(self, holds: Callable[[], Awaitable[Any]]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not await holds():  # noqa: ASYNC110 what is waited for has no event
                await asyncio.sleep(0.005)

    async def handled(self, count: int) -> bool:
        """Tell whether so many messages are translated."""
        name = "sps_carrier_events_total"
        collected = self.gateway.registry.collect()
        samples = [sample for metric in collected for sample in metric.samples if sample.name == name]
        return sum(sample.value for sample in samples) >= count

    async def nothing_is_due(self, carrier: str = "dhl") -> bool:
        """Every message is handled or waits for later."""
        async with self.gateway.store.reading() as unit:
            return not await unit.due_inbound(carrier, self.clock.now_ms(), 1)

    def parcel(self, deal: Deal) -> Any:
        """The parcel as the chain sees it."""
        return self.chain.state.contracts[deal.id].parcels[0]

    def count(self, metric: str, **labels: str) -> float:
        return self.gateway.registry.get_sample_value(metric, labels) or 0.0


class Nobody:
    """Validators that cannot be reached."""

    async def blocks(self, _first: int, _limit: int) -> list[bytes]:
        return []

    async def batch(self, _digest: bytes) -> bytes | None:
        return None

    async def stop(self) -> None:
        """Nothing is open."""
