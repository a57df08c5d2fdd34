"""What a seller can do with released money: convert it, cash it out."""

import asyncio
import hashlib
import time
from typing import Any, Final

from contract_api.application.idempotent import CREATED, FINE, Answer, Asked, Desk, Intent
from contract_api.application.ports import BeneficiaryRow, Gateways, Store
from contract_api.application.reading import Reader
from sps import identifiers
from sps.money import Money
from sps.runtime.clock import Clock
from sps.runtime.errors import Refusal
from sps.runtime.ids import new_id
from sps.transactions.values import wire
from sps.transactions.vocabulary import AcceptQuote, RequestPayout, RequestQuote

LOCK_POLL_S: Final = 0.02
HINT_DIGITS: Final = 4


class SellerMoney:
    """The use cases of the cash-out page."""

    def __init__(
        self, store: Store, desk: Desk, reader: Reader, gateways: Gateways, clock: Clock, wait_s: float
    ) -> None:
        self._store = store
        self._desk = desk
        self._reader = reader
        self._gateways = gateways
        self._clock = clock
        self._wait_s = wait_s

    async def request_quote(self, asked: Asked, amount: Money, target: str) -> Answer:
        """S2: ask for a rate and wait until settlement has locked one on the chain."""

        async def prepare() -> Intent:
            quote = new_id(identifiers.QUOTE, self._clock)
            event = new_id(identifiers.EVENT, self._clock)
            return Intent(quote, RequestQuote(event, quote, asked.principal.merchant, wire(amount), target))

        async def render(quote: str) -> tuple[int, Any]:
            await self._locked(quote)
            return CREATED, await self._reader.quote(asked.principal, quote)

        return await self._desk.handle(asked, prepare, render)

    async def accept_quote(self, asked: Asked, quote: str) -> Answer:
        """P31: the conversion is executed in the block that takes the acceptance."""

        async def prepare() -> Intent:
            await self._reader.quote(asked.principal, quote)
            return Intent(quote, AcceptQuote(new_id(identifiers.EVENT, self._clock), quote))

        async def render(_: str) -> tuple[int, Any]:
            return FINE, await self._reader.quote(asked.principal, quote)

        return await self._desk.handle(asked, prepare, render)

    async def register_beneficiary(self, asked: Asked, provider: str, account: str, name: str) -> Answer:
        """Hand the account to the payment gateway; we keep its commitment and the last characters."""
        registered: dict[str, str] = {}

        async def prepare() -> Intent:
            registered["it"] = await self._gateways.register_beneficiary(provider, account, name)
            row = BeneficiaryRow(registered["it"], provider, account[-HINT_DIGITS:])
            now_ms = self._clock.now_ms()
            return Intent(
                registered["it"],
                keep=lambda work: work.add_beneficiary(asked.principal.merchant, row, now_ms),
            )

        async def render(commitment: str) -> tuple[int, Any]:
            hint = account[-HINT_DIGITS:]
            return CREATED, {"beneficiary": commitment, "provider": provider, "account_hint": hint}

        return await self._desk.handle(asked, prepare, render, outside=True)

    async def request_payout(self, asked: Asked, amount: Money, provider: str, beneficiary: str) -> Answer:
        """S1: order a payout to a destination that this merchant registered."""

        async def prepare() -> Intent:
            async with self._store.reading() as work:
                mine = await work.beneficiaries_of(asked.principal.merchant)
            if not any(row.commitment == beneficiary and row.provider == provider for row in mine):
                raise Refusal("UNKNOWN_BENEFICIARY", "register the account with POST /v1/beneficiaries first")
            # Named by the request: repeated to a restored database that forgot it, it is the same payout.
            cause = f"payout|{asked.principal.account}|{asked.key}|{asked.print_}".encode()
            name = hashlib.sha256(cause).digest()
            payout = identifiers.derived(identifiers.PAYOUT, name)
            event = identifiers.derived(identifiers.EVENT, name)
            order = RequestPayout(
                event, payout, asked.principal.merchant, wire(amount), provider, beneficiary
            )
            return Intent(payout, order)

        async def render(payout: str) -> tuple[int, Any]:
            return CREATED, await self._reader.payout(asked.principal, payout)

        return await self._desk.handle(asked, prepare, render)

    async def _locked(self, quote: str) -> None:
        """Wait for the lock; without one in time the quote is shown as it is."""
        end = time.monotonic() + self._wait_s
        while time.monotonic() < end:
            async with self._store.reading() as work:
                row = await work.quote(quote)
            if row is not None and row.state != "requested":
                return
            await asyncio.sleep(LOCK_POLL_S)
