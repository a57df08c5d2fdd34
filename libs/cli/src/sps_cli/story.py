"""The story of Alice and Bob, step by step, over nothing but HTTP: what the demo tells and the tests attack.

A step can be repeated after any crash: every command carries an Idempotency-Key that follows from the story's
name and the step, and every wait asks for a state, not for an event.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

WAIT_S: Final = 30.0
POLL_S: Final = 0.02
REQUEST_S: Final = 20.0
ACCOUNTS: Final = {"alipay": "alice@example.cn", "stripe": "acct_alice"}
"""Alice's accounts, as each provider names accounts."""


class NotAsTold(Exception):
    """Something in the story did not happen as it should."""


@dataclass(frozen=True)
class Places:
    """Where the platform listens."""

    api: str
    sandbox: str


@dataclass
class Tale:
    """What is known so far in one story; enough to go on after any step."""

    name: str
    price_minor: str = "128000"
    currency: str = "CNY"
    carrier: str = "dhl"
    pay_with: str = "alipay"
    target: str = "EUR"
    cash_out_with: str = "stripe"
    release: str = "on_delivery"
    merchant: str = ""
    api_key: str = ""
    contract: str = ""
    buyer_token: str = ""
    terms_hash: str = ""
    payment: str = ""
    pay_url: str = ""
    tracking_number: str = ""
    to_convert: str = ""
    quote: str = ""
    out: dict[str, str] = field(default_factory=dict)
    beneficiary: str = ""
    to_cash_out: str = ""
    payout: str = ""
    proof: bytes = b""

    def number(self) -> str:
        """A tracking number that belongs to this story alone."""
        return str(int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:8]) % 10**10).rjust(10, "7")


class Story:
    """Drives one tale against a running platform."""

    def __init__(self, places: Places, tale: Tale, client: httpx.AsyncClient) -> None:
        self.places = places
        self.tale = tale
        self._client = client

    async def register(self) -> None:
        """Alice registers as a merchant."""
        if not self.tale.api_key:
            answer = await self._api(
                "POST", "/v1/merchants", {"name": f"Alice of {self.tale.name}"}, key=None
            )
            self.tale.merchant, self.tale.api_key = answer["merchant"], answer["api_key"]

    async def offer(self) -> None:
        """Alice opens the contract."""
        tale = self.tale
        answer = await self._seller(
            "POST",
            "/v1/contracts",
            {
                "amount": {"minor": tale.price_minor, "currency": tale.currency},
                "description": "Ceramic tea set, 12 pieces",
                "ship_to": {
                    "name": "Bob Example",
                    "street": "Invalidenstrasse 1",
                    "city": "Berlin",
                    "postcode": "10115",
                    "country": "DE",
                },
                "carriers": [tale.carrier],
                "release": tale.release,
                "fees": {"fee_bp": 100},
            },
            step="offer",
        )
        tale.contract, tale.buyer_token = answer["contract"], answer["buyer_token"]
        tale.terms_hash = answer["terms_hash"]

    async def accept(self) -> None:
        """Bob reads the terms and accepts them."""
        await self._buyer("POST", "/acceptance", {"terms_hash": self.tale.terms_hash}, step="accept")

    async def go_to_pay(self) -> None:
        """Bob is sent to his provider."""
        answer = await self._buyer("POST", "/payments", {"provider": self.tale.pay_with}, step="pay")
        self.tale.payment, self.tale.pay_url = answer["payment"], answer["url"]

    async def pay(self) -> None:
        """Bob pays at the provider; the provider's notify funds the contract."""
        state = (await self.contract())["state"]
        if state == "AGREED":
            await self._sandbox("/control/pay", {"provider": self.tale.pay_with, "url": self.tale.pay_url})
        await self.until(
            lambda c: c["state"] in {"FUNDED", "FULFILLING", "SETTLING", "CLOSED"}, "the contract is funded"
        )

    async def ship(self) -> None:
        """Alice hands the parcel to the carrier and books it under its tracking number."""
        tale = self.tale
        tale.tracking_number = tale.number()
        await self._sandbox(
            "/control/parcels",
            {
                "carrier": tale.carrier,
                "tracking_number": tale.tracking_number,
                "destination": {"country": "DE", "postcode": "10115"},
            },
        )
        await self._seller(
            "POST",
            f"/v1/contracts/{tale.contract}/parcels",
            {"parcel": "p1", "carrier": tale.carrier, "tracking_number": tale.tracking_number},
            step="ship",
        )
        await self.until(lambda c: c["parcels"][0]["state"] != "planned", "the parcel is booked")

    async def travel(self) -> None:
        """The parcel is on its way."""
        await self._move("in_transit")
        await self.until(
            lambda c: c["parcels"][0]["state"] in {"in_transit", "out_for_delivery", "delivered"},
            "the parcel is seen",
        )

    async def deliver(self) -> None:
        """The carrier delivers against a signature; the contract releases the money."""
        await self._move("delivered", signed_by="Bob Example")
        await self.until(
            lambda c: c["state"] == "CLOSED" and c["outcome"] == "released", "the money is released"
        )

    async def convert(self) -> None:
        """Alice converts everything that is payable into her own currency."""
        tale = self.tale
        if tale.target == tale.currency:
            return
        if not tale.quote:
            # Decided once: a repeat after a crash must be the same request.
            tale.to_convert = tale.to_convert or await self.payable(tale.currency)
            amount = {"minor": tale.to_convert, "currency": tale.currency}
            answer = await self._seller(
                "POST", "/v1/quotes", {"amount": amount, "to": tale.target}, step="quote"
            )
            tale.quote, tale.out = answer["quote"], answer["out"]
        answer = await self._seller("POST", f"/v1/quotes/{tale.quote}/acceptance", {}, step="convert")
        self.expect(answer["state"] == "used", f"the conversion is executed, not {answer['state']}")

    async def cash_out(self) -> None:
        """Alice cashes out to her account; the provider pays once."""
        tale = self.tale
        if not tale.beneficiary:
            answer = await self._seller(
                "POST",
                "/v1/beneficiaries",
                {
                    "provider": tale.cash_out_with,
                    "account": ACCOUNTS[tale.cash_out_with],
                    "name": "Alice Example",
                },
                step="beneficiary",
            )
            tale.beneficiary = answer["beneficiary"]
        if not tale.payout:
            tale.to_cash_out = tale.to_cash_out or await self.payable(tale.target)
            amount = {"minor": tale.to_cash_out, "currency": tale.target}
            answer = await self._seller(
                "POST",
                "/v1/payouts",
                {"amount": amount, "provider": tale.cash_out_with, "beneficiary": tale.beneficiary},
                step="payout",
            )
            tale.payout = answer["payout"]
        await self._wait_for(self._payout_is_paid, "the payout is paid")

    async def prove(self) -> None:
        """Anybody fetches the proof file."""

        async def fetched() -> bool:
            answer = await self._client.get(
                f"{self.places.api}/v1/contracts/{self.tale.contract}/proof",
                headers={"Authorization": f"Bearer {self.tale.api_key}"},
                timeout=REQUEST_S,
            )
            self.tale.proof = answer.content if answer.status_code == httpx.codes.OK else b""
            return bool(self.tale.proof)

        await self._wait_for(fetched, "the proof file is ready")

    def steps(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        """The named steps in order."""
        return [
            ("register", self.register),
            ("offer", self.offer),
            ("accept", self.accept),
            ("go_to_pay", self.go_to_pay),
            ("pay", self.pay),
            ("ship", self.ship),
            ("travel", self.travel),
            ("deliver", self.deliver),
            ("convert", self.convert),
            ("cash_out", self.cash_out),
            ("prove", self.prove),
        ]

    async def tell(self) -> None:
        """All steps, in order."""
        for _, step in self.steps():
            await step()

    # --- questions ------------------------------------------------------------------------------

    async def contract(self) -> dict[str, Any]:
        """The contract as the API shows it to Alice."""
        return await self._seller("GET", f"/v1/contracts/{self.tale.contract}")

    async def events(self) -> list[dict[str, Any]]:
        """Everything that happened to the contract."""
        answer = await self._seller("GET", f"/v1/contracts/{self.tale.contract}/events")
        return list(answer["data"])

    async def payable(self, currency: str) -> str:
        """What Alice may take out, in minor units."""
        answer = await self._seller("GET", "/v1/balances")
        return next((str(line["payable"]) for line in answer["data"] if line["currency"] == currency), "0")

    async def provider_books(self) -> dict[str, Any]:
        """The sandbox's own books."""
        answer = await self._client.get(f"{self.places.sandbox}/control/books", timeout=REQUEST_S)
        return dict(answer.raise_for_status().json())

    async def until(self, holds: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """Wait until the contract is so; `NotAsTold` after `WAIT_S`."""
        last: dict[str, Any] = {}

        async def asked() -> bool:
            last.update(await self.contract())
            return holds(last)

        await self._wait_for(asked, what)
        return last

    def expect(self, condition: bool, what: str) -> None:
        """The story goes on only when it is as told."""
        if not condition:
            raise NotAsTold(f"{self.tale.name}: expected that {what}")

    # --- the wire -------------------------------------------------------------------------------

    async def _payout_is_paid(self) -> bool:
        answer = await self._seller("GET", f"/v1/payouts/{self.tale.payout}")
        self.expect(
            answer["state"] not in {"failed", "manual"}, f"the payout does not end as {answer['state']}"
        )
        return bool(answer["state"] == "paid")

    async def _move(self, status: str, **more: str) -> None:
        path = f"/control/parcels/{self.tale.carrier}/{self.tale.tracking_number}/move"
        await self._sandbox(path, {"status": status, **more})

    async def _wait_for(self, holds: Callable[[], Awaitable[bool]], what: str) -> None:
        end = time.monotonic() + WAIT_S
        while not await holds():
            if time.monotonic() > end:
                raise NotAsTold(f"{self.tale.name}: waited {WAIT_S:.0f} s in vain until {what}")
            await asyncio.sleep(POLL_S)

    async def _seller(
        self, method: str, path: str, body: object = None, step: str | None = None
    ) -> dict[str, Any]:
        return await self._api(method, path, body, key=step, secret=self.tale.api_key)

    async def _buyer(self, method: str, path: str, body: object, step: str) -> dict[str, Any]:
        path = f"/v1/contracts/{self.tale.contract}{path}"
        return await self._api(method, path, body, key=step, secret=self.tale.buyer_token)

    async def _api(
        self, method: str, path: str, body: object, key: str | None, secret: str | None = None
    ) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        if key is not None:
            headers["Idempotency-Key"] = f"{self.tale.name}-{key}"
        answer = await self._client.request(
            method, self.places.api + path, json=body, headers=headers, timeout=REQUEST_S
        )
        self.expect(
            answer.is_success, f"{method} {path} succeeds, not {answer.status_code} {answer.text[:300]}"
        )
        return dict(answer.json())

    async def _sandbox(self, path: str, body: object) -> dict[str, Any]:
        answer = await self._client.post(self.places.sandbox + path, json=body, timeout=REQUEST_S)
        self.expect(
            answer.is_success, f"the sandbox takes {path}, not {answer.status_code} {answer.text[:300]}"
        )
        return dict(answer.json())
