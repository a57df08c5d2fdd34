"""The agreement machine: an offer, its acceptance or end, and cancelling before hand-over (F1-F6, F15-F22).

Signatures of the parties over the terms hash are part of the transactions; they are verified where they
enter and again in every proof, so that execution costs no signature check.
"""

from collections.abc import Callable
from typing import Final, Literal

from msgspec import Struct

from sps import identifiers
from sps.escrow import clocks
from sps.escrow.change import Change, Draft
from sps.escrow.header import OPEN, is_settled
from sps.escrow.refund import refund_tranches
from sps.escrow.refusals import CONFLICT, DUPLICATE, Refused, check_prefix
from sps.escrow.state import Agreement, Contract, Deadline, Opening, Parcel, TrancheMoney
from sps.escrow.terms_check import check_terms, parcel_names
from sps.escrow.tranche import HANDED_OVER_RANK
from sps.escrow.view import ChainView
from sps.ledger import postings
from sps.transactions.terms import read_terms_hash
from sps.transactions.vocabulary import Accept, Cancel, Decline, Offer, RefuseCancel, RequestCancel, Withdraw

Phase = Literal["offered", "agreed", "part_funded", "funded", "under_way", "ended"]
Command = Accept | Decline | Withdraw | Cancel | RequestCancel | RefuseCancel


def phase_of(contract: Contract) -> Phase:
    """Where the agreement stands, as far as its commands can tell a difference."""
    if contract.agreement == "offered":
        return "offered"
    if is_settled(contract):
        return "ended"
    if contract.funding == "part_funded":
        return "part_funded"
    if contract.funding == "unfunded":
        return "agreed"
    return "under_way" if any(p.rank >= HANDED_OVER_RANK for p in contract.parcels) else "funded"


# --- F1 ----------------------------------------------------------------------------------------


def offer(view: ChainView, fact: Offer, now_ms: int) -> Change:
    """F1: the seller publishes signed terms."""
    hashed = read_terms_hash(fact.terms)
    known = view.contracts.get(fact.contract)
    if known is not None:
        same = (known.terms_hash, known.seller, known.seller_key) == (hashed, fact.seller, fact.seller_key)
        raise Refused(DUPLICATE if same else CONFLICT)
    check_prefix(fact.contract, identifiers.CONTRACT)
    check_prefix(fact.seller, identifiers.MERCHANT)
    check_terms(fact.terms, now_ms)
    terms = fact.terms
    contract = Contract(
        fact.contract,
        1,
        Opening(fact.seller, fact.seller_key, terms, hashed, now_ms),
        "offered",
        tranches=tuple([TrancheMoney(agreed.id, int(agreed.amount)) for agreed in terms.tranches]),
        parcels=tuple([Parcel(name) for name in parcel_names(terms)]),
        deadlines=(Deadline(now_ms + terms.clocks.offer_ttl, clocks.OFFER),),
    )
    return Change(contract.id, ("F1",), (contract,))


# --- the parties -------------------------------------------------------------------------------


def _same_terms(draft: Draft, fact: Command) -> None:
    contract = draft.contract
    if not isinstance(fact, Accept):
        return
    if fact.terms_hash != contract.terms_hash:
        raise Refused("TERMS_DIFFER")
    if fact.buyer_key == contract.seller_key:
        raise Refused("SAME_PARTY")


def _nothing_asked(draft: Draft, _fact: Command) -> None:
    if clocks.is_running(draft.contract.deadlines, clocks.CANCEL):
        raise Refused(DUPLICATE)


def _something_asked(draft: Draft, _fact: Command) -> None:
    if not clocks.is_running(draft.contract.deadlines, clocks.CANCEL):
        raise Refused("NO_CANCEL_REQUEST")


def _always(_draft: Draft, _fact: Command) -> None:
    """No guard."""


def _agree(draft: Draft, fact: Command) -> None:
    contract = draft.contract
    terms, price = contract.terms, contract.opening.price
    running = clocks.without_one(contract.deadlines, clocks.OFFER, "")
    draft.put(
        agreement="agreed",
        buyer_key=fact.buyer_key if isinstance(fact, Accept) else "",
        due=price,
        deadlines=clocks.armed(running, draft.now_ms + terms.clocks.pay_ttl, clocks.PAY),
    )
    draft.journals.append(postings.p01(contract.id, terms.currency, price))


def _end(agreement: Agreement) -> Callable[[Draft, Command], None]:
    def end(draft: Draft, _fact: Command) -> None:
        draft.put(agreement=agreement)

    return end


def _cancel(draft: Draft, _fact: Command) -> None:
    """F19: the seller's own wish, everything back; his yes to the buyer's request is F20."""
    if clocks.is_running(draft.contract.deadlines, clocks.CANCEL):
        _cancelled(draft, "F20", int(draft.contract.terms.fees.cancel))
    else:
        _cancelled(draft, "F19")


def _ask(draft: Draft, _fact: Command) -> None:
    draft.arm(clocks.CANCEL, draft.now_ms + draft.contract.terms.clocks.cancel_answer)


def _refuse(draft: Draft, _fact: Command) -> None:
    draft.disarm(clocks.CANCEL)


def _cancelled(draft: Draft, row: str, keep: int = 0) -> None:
    """Undecided tranches go back; what the buyer released before stays released."""
    draft.put(agreement="cancelled")
    undecided = [tranche for tranche in draft.contract.tranches if not tranche.rule or tranche.state in OPEN]
    refund_tranches(draft, undecided, row, keep)


class Step(Struct, frozen=True):
    """One transition: its row, who may not pass, and what it does."""

    row: str
    guard: Callable[[Draft, Command], None]
    effect: Callable[[Draft, Command], None]


TRANSITIONS: Final[dict[tuple[Phase, type[Command]], Step]] = {
    ("offered", Accept): Step("F2", _same_terms, _agree),
    ("offered", Decline): Step("F3", _always, _end("declined")),
    ("offered", Withdraw): Step("F5", _always, _end("withdrawn")),
    ("agreed", Withdraw): Step("F5", _always, _end("withdrawn")),
    ("agreed", Cancel): Step("F5", _always, _end("withdrawn")),
    ("part_funded", Cancel): Step("", _always, _cancel),
    ("funded", Cancel): Step("", _always, _cancel),
    ("funded", RequestCancel): Step("F20", _nothing_asked, _ask),
    ("funded", RefuseCancel): Step("F20", _something_asked, _refuse),
}
"""Rows of `_cancel` depend on whether the buyer asked: F20, or F19."""

_ENDED_BY: Final[dict[type[Command], Agreement]] = {
    Decline: "declined",
    Withdraw: "withdrawn",
    Cancel: "cancelled",
}


def command(view: ChainView, fact: Command, now_ms: int) -> Change:
    """F2-F5, F19, F20: one of the parties speaks."""
    contract = view.contracts.get(fact.contract)
    if contract is None:
        raise Refused("UNKNOWN_CONTRACT")
    phase = phase_of(contract)
    step = TRANSITIONS.get((phase, type(fact)))
    if step is None:
        raise _refusal(contract, phase, fact)
    draft = Draft(view, contract, now_ms)
    step.guard(draft, fact)
    if step.row:
        draft.rule(step.row)
    step.effect(draft, fact)
    return draft.finish()


def _refusal(contract: Contract, phase: Phase, fact: Command) -> Refused:
    """Tell a repeat from a conflict, and both from a command at the wrong time."""
    if isinstance(fact, Accept) and contract.buyer_key:
        same = (fact.buyer_key, fact.terms_hash) == (contract.buyer_key, contract.terms_hash)
        return Refused(DUPLICATE if same else CONFLICT)
    if phase == "ended":
        return Refused(DUPLICATE if contract.agreement == _ENDED_BY.get(type(fact)) else "CONTRACT_ENDED")
    return Refused("HANDED_OVER" if phase == "under_way" and type(fact) in _CANCELS else "WRONG_STATE")


_CANCELS: Final = frozenset({Cancel, RequestCancel, RefuseCancel})


# --- the clocks --------------------------------------------------------------------------------


def offer_over(draft: Draft) -> None:
    """F6: nobody accepted."""
    draft.rule("F6")
    draft.put(agreement="expired")


def payment_over(draft: Draft) -> None:
    """F17: nobody paid."""
    draft.rule("F17")
    draft.put(agreement="expired")


def topup_over(draft: Draft) -> None:
    """F15: the rest did not come; what is here goes back, without any fee."""
    _cancelled(draft, "F15")


def cancel_answer_over(draft: Draft) -> None:
    """F20: the seller was silent, which means yes, unless a parcel was handed over meanwhile."""
    if phase_of(draft.contract) == "funded":
        _cancelled(draft, "F20", int(draft.contract.terms.fees.cancel))
