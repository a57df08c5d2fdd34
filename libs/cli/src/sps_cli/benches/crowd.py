"""Many contracts on a running platform, driven over nothing but HTTP until their parcels are on their way."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx

from sandbox.core.easypost_signature import easypost_signature
from sandbox.core.parcels import easypost_event
from sps import canonical
from sps.runtime.errors import Trouble
from sps_cli.state_folder import StateFolder

WORKERS: Final = 20
REQUEST_S: Final = 30.0
WAIT_S: Final = 30.0
POLL_S: Final = 0.25
PLACE: Final = {"country": "DE", "postcode": "10115"}
PRICE: Final = {"minor": "128000", "currency": "CNY"}
CARRIER: Final = "easypost"
PROVIDER: Final = "alipay"


@dataclass
class Deal:
    """One contract and what its delivery will sound like."""

    number: str
    contract: str = ""
    buyer_token: str = ""
    webhook: bytes = b""
    signature: str = ""


class Crowd:
    """One seller with many buyers."""

    def __init__(self, folder: StateFolder, client: httpx.AsyncClient) -> None:
        self._client = client
        self._secrets = folder.secrets
        self._api, self._sandbox = folder.url("api"), folder.url("sandbox")
        self._carrier = folder.url("carrier")
        self._key = ""
        self._beneficiary = ""
        self._count = 0
        self._posts = 0
        self.opened = 0
        """Contracts opened, with those that only make the load."""

    async def register(self) -> None:
        """The seller, and the account that she is paid out to."""
        self._key = (await self._post("/v1/merchants", {"name": "Alice of the bench"}, ""))["api_key"]
        account = {"provider": PROVIDER, "account": "alice@example.cn", "name": "Alice Example"}
        self._beneficiary = (await self._post("/v1/beneficiaries", account, self._key))["beneficiary"]

    async def open(self) -> dict[str, Any]:
        """A new contract that pays out by itself."""
        offer = {
            "amount": PRICE,
            "description": "Ceramic tea set, 12 pieces",
            "ship_to": {"name": "Bob Example", "street": "Invalidenstrasse 1", "city": "Berlin", **PLACE},
            "carriers": [CARRIER],
            "release": "on_delivery",
            "fees": {"fee_bp": 100},
            "payout": {"provider": PROVIDER, "beneficiary": self._beneficiary},
        }
        answer = await self._post("/v1/contracts", offer, self._key)
        self.opened += 1
        return answer

    async def on_the_way(self, count: int) -> list[Deal]:
        """So many new contracts, paid and shipped, several at a time."""
        self._count += count
        deals = [Deal(f"SPSBENCH{n:08d}") for n in range(self._count - count, self._count)]
        await several(deals, self._until_on_the_way)
        return deals

    async def delivered_at_the_carrier(self, deals: list[Deal]) -> None:
        """The carrier knows of the deliveries and is silent; `tell` speaks in its place."""
        await self._control("/control/misbehave", {"provider": CARRIER, "silent": True})
        await several(deals, self._deliver)
        await self._control("/control/misbehave", {"provider": CARRIER})

    async def tell(self, deal: Deal) -> None:
        """The signed webhook of the delivery."""
        headers = {"content-type": "application/json", "x-hmac-signature": deal.signature}
        url = f"{self._carrier}/webhooks/{CARRIER}"
        answer = await self._client.post(url, content=deal.webhook, headers=headers, timeout=REQUEST_S)
        _fine(answer, "the webhook")

    async def released_at(self, deal: Deal) -> int | None:
        """The height of the block that released the money; None while none did."""
        path = f"{self._api}/v1/contracts/{deal.contract}/events"
        answer = await self._client.get(path, headers=_bearer(self._key), timeout=REQUEST_S)
        for event in _fine(answer, "the events")["data"]:
            if any(posting["journal"] == "P20" for posting in event["postings"]):
                return int(event["height"])
        return None

    async def released(self, deal: Deal, poll_s: float) -> int:
        """Ask until it is released."""
        end = time.monotonic() + WAIT_S
        while (height := await self.released_at(deal)) is None:
            if time.monotonic() > end:
                raise Trouble(f"{deal.contract} is not released after {WAIT_S:.0f} s")
            await asyncio.sleep(poll_s)
        return height

    async def _until_on_the_way(self, deal: Deal) -> None:
        offered = await self.open()
        deal.contract, deal.buyer_token = offered["contract"], offered["buyer_token"]
        path = f"/v1/contracts/{deal.contract}"
        await self._post(f"{path}/acceptance", {"terms_hash": offered["terms_hash"]}, deal.buyer_token)
        checkout = await self._post(f"{path}/payments", {"provider": PROVIDER}, deal.buyer_token)
        await self._control("/control/pay", {"provider": PROVIDER, "url": checkout["url"]})
        await self._until(deal, lambda c: c["state"] == "FUNDED")
        parcel = {"carrier": CARRIER, "tracking_number": deal.number}
        await self._control("/control/parcels", parcel | {"destination": PLACE})
        await self._post(f"{path}/parcels", parcel | {"parcel": "p1"}, self._key)
        await self._control(f"/control/parcels/{CARRIER}/{deal.number}/move", {"status": "in_transit"})
        await self._until(deal, lambda c: c["parcels"][0]["state"] == "in_transit")

    async def _deliver(self, deal: Deal) -> None:
        moved = {"status": "delivered", "signed_by": "Bob Example"}
        await self._control(f"/control/parcels/{CARRIER}/{deal.number}/move", moved)
        answer = await self._client.post(
            f"{self._sandbox}/easypost/v2/trackers",
            json={"tracker": {"tracking_code": deal.number}},
            auth=(self._secrets.easypost_api_key, ""),
            timeout=REQUEST_S,
        )
        tracker = _fine(answer, "the tracker")
        event = easypost_event(tracker, f"evt_{deal.number}", tracker["updated_at"], "in_transit")
        deal.webhook = canonical.encode(event)
        deal.signature = easypost_signature(self._secrets.easypost_webhook_secret, deal.webhook)

    async def _until(self, deal: Deal, holds: Callable[[dict[str, Any]], bool]) -> None:
        end = time.monotonic() + WAIT_S
        url = f"{self._api}/v1/contracts/{deal.contract}"
        while not holds(
            _fine(await self._client.get(url, headers=_bearer(self._key), timeout=REQUEST_S), "the contract")
        ):
            if time.monotonic() > end:
                raise Trouble(f"{deal.contract} does not come on after {WAIT_S:.0f} s")
            await asyncio.sleep(POLL_S)

    async def _post(self, path: str, body: object, secret: str) -> dict[str, Any]:
        self._posts += 1
        headers = {"Idempotency-Key": f"bench-{self._posts}", **(_bearer(secret) if secret else {})}
        answer = await self._client.post(self._api + path, json=body, headers=headers, timeout=REQUEST_S)
        return _fine(answer, path)

    async def _control(self, path: str, body: object) -> None:
        _fine(await self._client.post(self._sandbox + path, json=body, timeout=REQUEST_S), path)


async def several(deals: list[Deal], job: Callable[[Deal], Awaitable[None]]) -> None:
    """Do it for all, so many at a time."""
    waiting = list(reversed(deals))

    async def work() -> None:
        while waiting:
            await job(waiting.pop())

    await asyncio.gather(*(work() for _ in range(WORKERS)))


def _bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def _fine(answer: httpx.Response, what: str) -> dict[str, Any]:
    if not answer.is_success:
        raise Trouble(f"{what}: {answer.status_code} {answer.text[:300]}")
    return dict(answer.json())
