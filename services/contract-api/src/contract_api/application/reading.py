"""Questions: each is answered from read models that are folds of verified blocks, to those who may ask."""

from typing import Any, Final

from contract_api.application.ports import ContractRow, EventRow, Principal, Store
from contract_api.core.block_view import block_view
from contract_api.core.views import balance_view, contract_view, event_view, payout_view, quote_view
from sps import identifiers
from sps.chain.block import decode_committed
from sps.runtime.errors import Refusal

PAGE_MAX: Final = 100
EVENTS_MAX: Final = 500
PAYOUTS_MAX: Final = 100
OPEN_PAYOUTS: Final = frozenset({"ordered", "held_by_provider", "manual"})


class NotFound(Refusal):
    """There is no such thing, or it is not yours: the answer is the same."""


class Reader:
    """Read-only use cases."""

    def __init__(self, store: Store, public_url: str) -> None:
        self._store = store
        self._public_url = public_url.rstrip("/")

    async def row(self, contract: str) -> ContractRow:
        """The folded contract; raises `NotFound`."""
        row = None
        if _is(contract, identifiers.CONTRACT):
            async with self._store.reading() as work:
                row = await work.contract(contract)
        if row is None:
            raise NotFound("UNKNOWN_CONTRACT", "there is no such contract, or it is not yours")
        return row

    async def contract(self, who: Principal, contract: str) -> dict[str, Any]:
        """The contract as this party may see it."""
        row = await self.row(contract)
        async with self._store.reading() as work:
            private = await work.private_data(contract)
        if not (who.contract == contract or (who.merchant and who.merchant == row.contract.seller)):
            raise NotFound("UNKNOWN_CONTRACT", "there is no such contract, or it is not yours")
        view = contract_view(row.contract, row.state, row.outcome, row.height)
        if private is not None:
            ship_to = private.ship_to
            view["description"] = private.description
            view["ship_to"] = (
                {name: getattr(ship_to, name) for name in ship_to.__struct_fields__} if ship_to else None
            )
            if who.merchant:
                view["buyer_token"] = private.buyer_token
                view["buyer_link"] = self.buyer_link(contract, private.buyer_token)
        return view

    def page_of(self, contract: str) -> str:
        """The buyer's page without his token; where he comes back to when he named nothing else."""
        return f"{self._public_url}/c/{contract}"

    def buyer_link(self, contract: str, token: str) -> str:
        """The link that Alice sends to Bob."""
        return f"{self.page_of(contract)}?t={token}"

    async def contracts(
        self, who: Principal, before: tuple[int, str] | None, limit: int
    ) -> list[dict[str, Any]]:
        """The merchant's contracts, newest first."""
        async with self._store.reading() as work:
            mine = await work.contracts_of(who.merchant, before, min(limit, PAGE_MAX))
            rows = [await work.contract(each.contract) for each in mine]
        return [
            contract_view(row.contract, row.state, row.outcome, row.height)
            | {"description": private.description, "created_ms": private.created_ms}
            for private, row in zip(mine, rows, strict=True)
            if row is not None
        ]

    async def events(
        self, who: Principal, contract: str, after: tuple[int, int] = (0, -1)
    ) -> list[dict[str, Any]]:
        """The timeline, oldest first."""
        await self.contract(who, contract)
        return [
            event_view(each.time_ms, each.receipt, each.body)
            for each in await self.event_rows(contract, after)
        ]

    async def event_rows(self, contract: str, after: tuple[int, int] = (0, -1)) -> list[EventRow]:
        """The timeline as folded."""
        async with self._store.reading() as work:
            return await work.events(contract, after, EVENTS_MAX)

    async def block(self, height: int) -> dict[str, Any]:
        """A folded block, for anybody."""
        async with self._store.reading() as work:
            record = await work.block(height)
            events = await work.events_of_block(height)
        if record is None:
            raise NotFound("UNKNOWN_BLOCK", "this service has no block of this height yet")
        return block_view(decode_committed(record), [(each.receipt, each.body) for each in events])

    async def balances(self, who: Principal) -> list[dict[str, str]]:
        """What is the merchant's, per currency."""
        async with self._store.reading() as work:
            rows = await work.balances(who.merchant)
            payouts = await work.payouts_of(who.merchant, PAYOUTS_MAX)
        in_transit: dict[str, int] = {}
        for payout in payouts:
            if payout.state in OPEN_PAYOUTS:
                in_transit[payout.currency] = in_transit.get(payout.currency, 0) + payout.amount
        return balance_view(rows, in_transit)

    async def payout(self, who: Principal, payout: str) -> dict[str, Any]:
        """One payout of this merchant."""
        row = None
        if _is(payout, identifiers.PAYOUT):
            async with self._store.reading() as work:
                row = await work.payout(payout)
        if row is None or row.seller != who.merchant:
            raise NotFound("UNKNOWN_PAYOUT", "there is no such payout, or it is not yours")
        return payout_view(row)

    async def payouts(self, who: Principal) -> list[dict[str, Any]]:
        """The merchant's payouts, newest first."""
        async with self._store.reading() as work:
            return [payout_view(row) for row in await work.payouts_of(who.merchant, PAYOUTS_MAX)]

    async def quote(self, who: Principal, quote: str) -> dict[str, Any]:
        """One quote of this merchant."""
        row = None
        if _is(quote, identifiers.QUOTE):
            async with self._store.reading() as work:
                row = await work.quote(quote)
        if row is None or row.seller != who.merchant:
            raise NotFound("UNKNOWN_QUOTE", "there is no such quote, or it is not yours")
        return quote_view(row)

    async def beneficiaries(self, who: Principal) -> list[dict[str, str]]:
        """Where this merchant may cash out to."""
        async with self._store.reading() as work:
            rows = await work.beneficiaries_of(who.merchant)
        return [{"beneficiary": r.commitment, "provider": r.provider, "account_hint": r.hint} for r in rows]


def _is(text: str, prefix: str) -> bool:
    """What cannot be an identifier is not looked up: a database refuses some texts altogether."""
    try:
        identifiers.check(text, prefix)
    except identifiers.BadIdentifier:
        return False
    return True
