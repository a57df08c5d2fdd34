"""The payout machine: ordered, then what the provider did with it (S1, S4-S7; P60-P64).

One identifier is one order for ever. A failed or returned payout leaves the money with the seller, unpaid;
there is no second order by itself. States: ordered, held_by_provider, manual, paid, failed, returned.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from sps import identifiers
from sps.escrow.change import Change, Draft
from sps.escrow.refusals import CONFLICT, DUPLICATE, Refused, check_prefix
from sps.escrow.state import Payout, PayoutState
from sps.escrow.terms_check import AMOUNT_MAX
from sps.escrow.view import ChainView
from sps.ledger import accounts, postings
from sps.ledger.journal import Journal
from sps.transactions.vocabulary import (
    PayoutFailed,
    PayoutHeld,
    PayoutManual,
    PayoutPaid,
    PayoutReturned,
    RequestPayout,
)

Result = PayoutHeld | PayoutPaid | PayoutFailed | PayoutReturned | PayoutManual


def free_balance(view: ChainView, seller: str, currency: str) -> int:
    """What a seller may take out or convert, in minor units."""
    return -view.balances.get(accounts.seller_payable(seller, currency), 0)


def request(view: ChainView, fact: RequestPayout, _now_ms: int) -> Change:
    """S1, P60: the seller cashes out."""
    amount, currency = int(fact.amount.minor), fact.amount.currency
    payout = Payout(fact.payout, fact.seller, fact.provider, fact.beneficiary, currency, amount)
    known = view.payouts.get(fact.payout)
    if known is not None:
        asked = replace(known, state="ordered", reference="", reason="")
        raise Refused(DUPLICATE if asked == payout else CONFLICT)
    check_prefix(fact.payout, identifiers.PAYOUT)
    if amount > AMOUNT_MAX:
        raise Refused("AMOUNT_OUT_OF_BOUNDS")
    if amount > free_balance(view, fact.seller, currency):
        raise Refused("INSUFFICIENT_FUNDS")
    posted = postings.p60(fact.seller, currency, ((payout.id, amount),))
    return Change(payout.id, ("S1",), journals=(posted,), payouts=(payout,))


# --- the results -------------------------------------------------------------------------------


class Step(Struct, frozen=True):
    """One transition: its row, the state it leads to, and its posting."""

    row: str
    to: PayoutState
    posting: Callable[[Payout, Result], Journal | None]


def _paid(payout: Payout, _fact: Result) -> Journal:
    return postings.p61(payout.id, payout.provider, payout.currency, payout.amount)


def _failed(payout: Payout, _fact: Result) -> Journal:
    return postings.p63(payout.id, payout.seller, payout.currency, payout.amount)


def _returned(payout: Payout, fact: Result) -> Journal:
    arrived = int(fact.amount.minor) if isinstance(fact, PayoutReturned) else 0
    currency = fact.amount.currency if isinstance(fact, PayoutReturned) else ""
    if currency != payout.currency or arrived > payout.amount:
        raise Refused(CONFLICT, "what came back is not this payout")
    return postings.p64(payout.seller, payout.provider, payout.currency, payout.amount, arrived)


def _no_posting(_payout: Payout, _fact: Result) -> None:
    """P62: the money stays in transit under the payout's own name."""


_PAID: Final = Step("S4", "paid", _paid)
_FAILED: Final = Step("S6", "failed", _failed)
_HELD: Final = Step("S7", "held_by_provider", _no_posting)
_MANUAL: Final = Step("S5", "manual", _no_posting)

TRANSITIONS: Final[dict[tuple[PayoutState, type[Result]], Step]] = {
    ("ordered", PayoutPaid): _PAID,
    ("ordered", PayoutFailed): _FAILED,
    ("ordered", PayoutHeld): _HELD,
    ("ordered", PayoutManual): _MANUAL,
    ("held_by_provider", PayoutPaid): _PAID,
    ("held_by_provider", PayoutFailed): _FAILED,
    ("held_by_provider", PayoutManual): _MANUAL,
    ("manual", PayoutPaid): _PAID,
    ("manual", PayoutFailed): _FAILED,
    ("manual", PayoutHeld): _HELD,
    ("paid", PayoutReturned): Step("S6", "returned", _returned),
}

_LEADS_TO: Final[dict[type[Result], PayoutState]] = {
    PayoutPaid: "paid",
    PayoutFailed: "failed",
    PayoutHeld: "held_by_provider",
    PayoutManual: "manual",
    PayoutReturned: "returned",
}


def record_result(view: ChainView, fact: Result, now_ms: int) -> Change:
    """S4-S7: what the provider did with a payout."""
    payout = view.payouts.get(fact.payout)
    if payout is None:
        raise Refused("UNKNOWN_PAYOUT")
    step = TRANSITIONS.get((payout.state, type(fact)))
    if step is None:
        raise _refusal(payout, fact)
    if isinstance(fact, PayoutPaid):
        moved = replace(payout, state=step.to, reference=fact.reference, reason="")
    else:
        moved = replace(payout, state=step.to, reason=fact.reason)
    posted = step.posting(payout, fact)
    journals = () if posted is None else (posted,)
    contract = view.contracts.get(payout.contract) if payout.contract else None
    if contract is None:
        return Change(payout.id, (step.row,), journals=journals, payouts=(moved,))
    draft = Draft(view, contract, now_ms)
    links = tuple([replace(k, state=step.to) if k.id == payout.id else k for k in contract.payouts])
    draft.put(payouts=links)
    contracts = draft.finish().contracts
    return Change(payout.id, (step.row,), contracts, journals, (moved,))


def _refusal(payout: Payout, fact: Result) -> Refused:
    """The same result again is a repeat; a paid payout that is reported held or manual is old news."""
    if payout.state != _LEADS_TO[type(fact)]:
        return Refused("PAYOUT_STATE")
    if isinstance(fact, PayoutPaid):
        return Refused(DUPLICATE if fact.reference == payout.reference else CONFLICT)
    return Refused(DUPLICATE if fact.reason == payout.reason else CONFLICT)
