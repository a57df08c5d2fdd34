"""The pay-in machine: what a buyer's payment does to a contract (F7-F12, F17, F18; P02, P03, P05-P11).

No payment is refused because it is unwelcome: the money is there. It is held, or given back, or parked
until its clock gives it back. States of a pay-in: pending, cleared, failed.
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from sps import identifiers
from sps.currencies import currency_of
from sps.escrow import clocks
from sps.escrow.change import Change, Draft
from sps.escrow.refund import parked_less, refund_surplus, return_parked
from sps.escrow.refusals import CONFLICT, DUPLICATE, Defect, Refused, check_prefix
from sps.escrow.state import Contract, Deadline, Payin, TrancheMoney
from sps.escrow.terms_check import AMOUNT_MAX
from sps.escrow.view import ChainView
from sps.ledger import postings
from sps.transactions.vocabulary import PaymentCleared, PaymentFailed, PaymentPending

PAYINS_MAX: Final = 20
"""Attempts of one contract that did not fail; money beyond them is booked as unknown (P10)."""

Fact = PaymentPending | PaymentCleared | PaymentFailed


class Step(Struct, frozen=True):
    """One transition: what it does, and what makes it a repeat."""

    effect: Callable[[Draft, Payin | None, Fact], None]


def _pending(draft: Draft, known: Payin | None, fact: Fact) -> None:
    """F7, P02: the buyer is at the provider."""
    contract = draft.contract
    if contract.agreement != "agreed" or contract.funding == "funded":
        raise Refused("PAYMENT_NOT_EXPECTED")
    draft.rule("F7")
    put_payin(draft, known, Payin(fact.payment, fact.provider, "pending", expected=contract.due))
    draft.journals.append(postings.p02(fact.payment, contract.terms.currency, contract.due))


def _failed(draft: Draft, known: Payin | None, fact: Fact) -> None:
    draft.rule("F7")
    if known is not None:
        _end_attempt(draft, known)
    put_payin(draft, known, Payin(fact.payment, fact.provider, "failed"))


def _cleared(draft: Draft, known: Payin | None, fact: Fact) -> None:
    """F8-F11, F18: money is here; hold it, give it back, or park it."""
    contract = draft.contract
    payin = _payin(fact)
    for other in contract.payins:
        if other.provider == payin.provider and other.reference == payin.reference:
            raise Refused(CONFLICT, "another payment has this provider reference")
    if known is not None:
        _end_attempt(draft, known)
    if payin.currency != contract.terms.currency:
        _park_foreign(draft, known, payin)
    elif contract.agreement != "agreed" or contract.closed_ms:
        _park_late(draft, known, payin)
    else:
        _hold(draft, known, payin)


TRANSITIONS: Final[dict[tuple[str, type[Fact]], Step]] = {
    ("", PaymentPending): Step(_pending),
    ("", PaymentCleared): Step(_cleared),
    ("", PaymentFailed): Step(_failed),
    ("pending", PaymentCleared): Step(_cleared),
    ("pending", PaymentFailed): Step(_failed),
    ("failed", PaymentPending): Step(_pending),
    ("failed", PaymentCleared): Step(_cleared),
}
"""(state of the attempt, fact); "" is an attempt that nobody reported before."""


def record(view: ChainView, fact: Fact, now_ms: int) -> Change:
    """F7-F11, F18: a provider speaks about a payment attempt."""
    check_prefix(fact.payment, identifiers.PAYMENT)
    if isinstance(fact, PaymentCleared):
        check_amount(fact.amount.currency, int(fact.amount.minor))
    if view.payments.get(fact.payment, fact.contract) != fact.contract:
        raise Refused(CONFLICT, "the payment belongs to another contract")
    contract = view.contracts.get(fact.contract)
    if contract is None or fact.payment in view.orphans:
        return _unknown(view, fact)
    known = payin_of(contract, fact.payment)
    if known is None and len(contract.payins) >= PAYINS_MAX:
        forgotten = _without_a_failed_one(contract)
        if forgotten is None:
            return _unknown(view, fact)
        contract = forgotten
    if known is not None and known.provider != fact.provider:
        raise Refused(CONFLICT, "the payment was reported by another provider")
    step = TRANSITIONS.get((known.state if known else "", type(fact)))
    if step is None:
        raise Refused(DUPLICATE if _is_repeat(known, fact) else CONFLICT)
    draft = Draft(view, contract, now_ms)
    step.effect(draft, known, fact)
    if known is None:
        draft.payments.append((fact.payment, fact.contract))
    return draft.finish()


def _without_a_failed_one(contract: Contract) -> Contract | None:
    """Make room by forgetting the oldest attempt that failed; it brought nothing, and may still clear."""
    for i, payin in enumerate(contract.payins):
        if payin.state == "failed":
            return replace(contract, payins=contract.payins[:i] + contract.payins[i + 1 :])
    return None


def _is_repeat(known: Payin | None, fact: Fact) -> bool:
    if known is None or not isinstance(fact, PaymentCleared):
        return True  # pending or failed, said again or said too late: it adds nothing
    return (known.currency, known.amount, known.reference) == (
        fact.amount.currency,
        int(fact.amount.minor),
        fact.reference,
    )


def _payin(fact: Fact) -> Payin:
    """The attempt as its result reports it."""
    if not isinstance(fact, PaymentCleared):
        raise Defect("only a cleared payment brings money")
    money = fact.amount
    return Payin(fact.payment, fact.provider, "cleared", money.currency, int(money.minor), fact.reference)


def payin_of(contract: Contract, payment: str) -> Payin | None:
    """The contract's attempt with this identifier."""
    for payin in contract.payins:
        if payin.id == payment:
            return payin
    return None


def check_amount(currency: str, minor: int) -> None:
    """Refuse what no provider can have reported: an unknown currency, a sum out of bounds."""
    if currency_of(currency) is None:
        raise Refused("UNKNOWN_CURRENCY")
    if minor > AMOUNT_MAX:
        raise Refused("AMOUNT_OUT_OF_BOUNDS")


# --- effects -----------------------------------------------------------------------------------


def put_payin(draft: Draft, known: Payin | None, payin: Payin) -> None:
    """Add an attempt, or replace the one that is known."""
    draft.put(payins=_payins_with(draft.contract, known, payin))


def _payins_with(contract: Contract, known: Payin | None, payin: Payin) -> tuple[Payin, ...]:
    if known is None:
        return (*contract.payins, payin)
    return tuple([payin if old.id == payin.id else old for old in contract.payins])


def _end_attempt(draft: Draft, known: Payin) -> None:
    if known.expected:
        waiting = ((known.id, known.expected),)
        draft.journals.append(postings.p02_mirror(waiting, draft.contract.terms.currency))


def _park_foreign(draft: Draft, known: Payin | None, payin: Payin) -> None:
    """F11, P11: never held; it goes back when its clock is over."""
    contract = draft.contract
    draft.rule("F11")
    draft.journals.append(postings.p11(payin.provider, contract.id, payin.currency, payin.amount))
    put_payin(draft, known, replace(payin, parked=payin.amount))
    draft.put(parked=parked_less(contract.parked, payin.currency, -payin.amount))
    _arm_return(draft, payin)


def _park_late(draft: Draft, known: Payin | None, payin: Payin) -> None:
    """F18, P09: the contract takes no money now; late money never changes it."""
    contract = draft.contract
    draft.rule("F18")
    draft.journals.append(postings.p09(payin.provider, contract.id, payin.currency, payin.amount))
    put_payin(draft, known, replace(payin, parked=payin.amount))
    draft.put(received=contract.received + payin.amount, surplus=contract.surplus + payin.amount)
    _arm_return(draft, payin)


def _arm_return(draft: Draft, payin: Payin) -> None:
    draft.arm(clocks.PARK, draft.now_ms + draft.contract.terms.clocks.late_return, payin.id)


def _hold(draft: Draft, known: Payin | None, payin: Payin) -> None:
    """F8, F9, F10: hold it against the tranches in order; the rest goes back at once."""
    contract = draft.contract
    due = contract.due if contract.funding != "funded" else 0
    taken = min(payin.amount, due)
    extra = payin.amount - taken
    left = due - taken
    full = due > 0 and left <= int(contract.terms.tolerance)
    shares, tranches = _fill(contract.tranches, taken, full=full)
    _book(draft, payin, shares, extra, "P06" if full and left else "P03" if full else "P05")
    changed: dict[str, Any] = {
        "payins": _payins_with(contract, known, payin),
        "received": contract.received + payin.amount,
        "surplus": contract.surplus + extra,
        "tranches": tranches,
    }
    if full:
        _fund(draft, due, left, changed)
    elif taken:
        _fund_part(draft, taken, changed)
    draft.put(**changed)
    if extra:
        draft.rule("F10")
        refund_surplus(draft, payin.id, extra)


def _book(draft: Draft, payin: Payin, shares: list[tuple[str, int]], extra: int, kind: str) -> None:
    contract = draft.contract.id
    if extra:
        posted = postings.p08(payin.provider, contract, payin.currency, shares, extra)
    else:
        posted = _POSTINGS[kind](payin.provider, contract, payin.currency, shares)
    draft.journals.append(posted)


_POSTINGS: Final = {"P03": postings.p03, "P05": postings.p05, "P06": postings.p06}


def _fill(
    tranches: tuple[TrancheMoney, ...], amount: int, *, full: bool
) -> tuple[list[tuple[str, int]], tuple[TrancheMoney, ...]]:
    """Give an amount to the tranches in their order, each up to its own; once `full` all of them are held."""
    shares: list[tuple[str, int]] = []
    filled: list[TrancheMoney] = []
    for tranche in tranches:
        share = min(amount, tranche.amount - tranche.held)
        amount -= share
        if share:
            shares.append((tranche.id, share))
        state = "held" if full else tranche.state
        if share or full:
            filled.append(replace(tranche, state=state, held=tranche.held + share))
        else:
            filled.append(tranche)
    return shares, tuple(filled)


_FUNDING_CLOCKS: Final = (clocks.PAY, clocks.TOPUP, clocks.SHIP, clocks.MAX_HOLD)


def _fund(draft: Draft, due: int, left: int, changed: dict[str, Any]) -> None:
    """F9: all due money is held; the seller may ship."""
    contract, now_ms = draft.contract, draft.now_ms
    limits = contract.terms.clocks
    draft.rule("F9")
    draft.journals.append(postings.p01_mirror(contract.id, contract.terms.currency, due))
    changed |= {
        "funding": "funded",
        "funded_ms": now_ms,
        "due": 0,
        "shortfall": left,
        "deadlines": (
            *clocks.without_kinds(contract.deadlines, _FUNDING_CLOCKS),
            Deadline(now_ms + limits.ship_by, clocks.SHIP),
            Deadline(now_ms + limits.max_hold, clocks.MAX_HOLD),
        ),
    }


def _fund_part(draft: Draft, taken: int, changed: dict[str, Any]) -> None:
    """F8: not all is here; the first part starts the clock for the rest."""
    contract = draft.contract
    draft.rule("F8")
    draft.journals.append(postings.p01_mirror(contract.id, contract.terms.currency, taken))
    if contract.funding == "unfunded":
        running = clocks.without_kinds(contract.deadlines, (clocks.PAY,))
        latest = draft.now_ms + contract.terms.clocks.topup_ttl
        changed["deadlines"] = clocks.armed(running, latest, clocks.TOPUP)
    changed |= {"funding": "part_funded", "due": contract.due - taken}


def _unknown(view: ChainView, fact: Fact) -> Change:
    """P10: money without a contract stands in suspense, known by its payment."""
    if not isinstance(fact, PaymentCleared):
        raise Refused("TOO_MANY_PAYINS" if fact.contract in view.contracts else "UNKNOWN_CONTRACT")
    payin = _payin(fact)
    known = view.orphans.get(fact.payment)
    if known is not None:
        raise Refused(DUPLICATE if replace(known, fee=0, fee_currency="") == payin else CONFLICT)
    return Change(
        fact.payment,
        ("P10",),
        journals=(postings.p10(payin.provider, payin.currency, payin.amount),),
        payments=((fact.payment, fact.contract),),
        orphans=(payin,),
    )


def parking_over(draft: Draft, payment: str) -> None:
    """F11, F18: parked money goes back where it came from."""
    payin = payin_of(draft.contract, payment)
    if payin is not None and payin.parked:
        draft.rule("F18" if payin.currency == draft.contract.terms.currency else "F11")
        return_parked(draft, payin)
