"""Money on its way back: P07, P40 to P42. Never more than a payer paid on a rail, and in its currency (I-13).

An order is made in the block of its cause; who executes it reports the outcome as a transaction.
States: ordered, then paid or failed (the rail did not take it back; the money waits for a new method).
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from sps import identifiers
from sps.escrow.change import Change, Draft
from sps.escrow.refusals import CONFLICT, DUPLICATE, Defect, Refused
from sps.escrow.state import Payin, Refund, RefundState, TrancheMoney
from sps.escrow.view import ChainView
from sps.ledger import accounts, postings
from sps.ledger.journal import Journal
from sps.transactions.vocabulary import RefundFailed, RefundPaid


def refund_tranches(draft: Draft, tranches: Iterable[TrancheMoney], rule: str, keep: int = 0) -> None:
    """Refund what these tranches hold to the buyer, less `keep` minor units that go to the seller (F20)."""
    contract, currency = draft.contract, draft.contract.terms.currency
    kept: list[tuple[str, int]] = []
    back: list[tuple[str, int]] = []
    ended: dict[str, TrancheMoney] = {}
    for tranche in tranches:
        part = min(keep, tranche.held)
        keep -= part
        kept.append((tranche.id, part))
        back.append((tranche.id, tranche.held - part))
        ended[tranche.id] = replace(
            tranche, state="refunded", held=0, released=part, refunded=tranche.held - part, rule=rule
        )
    draft.rule(rule)
    draft.put(tranches=tuple(ended.get(tranche.id, tranche) for tranche in contract.tranches))
    fee = sum(amount for _, amount in kept)
    if fee:
        draft.journals.append(_cancel_fee(contract.id, contract.seller, currency, kept, fee))
    total = sum(amount for _, amount in back)
    if total:
        draft.journals.append(postings.p07(contract.id, currency, back))
        _order(draft, accounts.buyer_refundable(contract.id, currency), currency, total)


def _cancel_fee(
    contract: str, seller: str, currency: str, kept: Sequence[tuple[str, int]], fee: int
) -> Journal:
    """The cancel fee is wholly the seller's: no fee of ours is taken from it."""
    whose = postings.Owners(contract, seller, currency, "", "", "")
    return postings.p21(whose, kept, postings.Release(fee))


def refund_surplus(draft: Draft, payment: str, amount: int) -> None:
    """Order back what a payment brought beyond the price (F10)."""
    contract, currency = draft.contract, draft.contract.terms.currency
    _order(draft, accounts.surplus(contract.id, currency), currency, amount, only=payment)
    draft.put(surplus=contract.surplus - amount, surplus_returned=contract.surplus_returned + amount)


def return_parked(draft: Draft, payin: Payin) -> None:
    """Order back a parked payment: late, or in another currency (F11, F18)."""
    contract, amount = draft.contract, payin.parked
    _replace_payin(draft, replace(payin, parked=0))
    if payin.currency == contract.terms.currency:
        refund_surplus(draft, payin.id, amount)
        return
    source = accounts.surplus(contract.id, payin.currency)
    _order(draft, source, payin.currency, amount, only=payin.id)
    draft.put(parked=parked_less(contract.parked, payin.currency, amount))


def parked_less(
    parked: tuple[tuple[str, int], ...], currency: str, amount: int
) -> tuple[tuple[str, int], ...]:
    """The parked sums by currency, less an amount (or more, when it is negative); sorted, without zeros."""
    sums = dict(parked)
    sums[currency] = sums.get(currency, 0) - amount
    return tuple(sorted((code, left) for code, left in sums.items() if left))


def allocate(payins: Sequence[Payin], currency: str, amount: int, only: str = "") -> list[tuple[Payin, int]]:
    """Spread a refund over the payins in order, each up to what it brought and has not got back yet."""
    shares: list[tuple[Payin, int]] = []
    for payin in payins:
        if payin.currency != currency or payin.state != "cleared" or (only and payin.id != only):
            continue
        share = min(amount, payin.amount - payin.parked - payin.refunded)
        if share > 0:
            shares.append((payin, share))
            amount -= share
    if amount:
        raise Defect(f"{amount} {currency} to refund that nobody paid")
    return shares


def _order(draft: Draft, source: str, currency: str, amount: int, only: str = "") -> None:
    contract = draft.contract
    refunds = list(contract.refunds)
    ordered: list[tuple[str, int]] = []
    for payin, share in allocate(contract.payins, currency, amount, only):
        refund = refund_id(contract.id, payin.id, len(refunds))
        refunds.append(Refund(refund, payin.id, payin.provider, currency, share))
        ordered.append((refund, share))
        _replace_payin(draft, replace(payin, refunded=payin.refunded + share))
    draft.journals.append(postings.p40(source, currency, ordered))
    draft.put(refunds=tuple(refunds))


def _replace_payin(draft: Draft, payin: Payin) -> None:
    payins = draft.contract.payins
    draft.put(payins=tuple(payin if old.id == payin.id else old for old in payins))


def refund_id(contract: str, payment: str, number: int) -> str:
    """The identifier of the contract's `number`th refund (from 0)."""
    digest = hashlib.sha256(f"refund|{contract}|{payment}|{number}".encode()).digest()
    return identifiers.derived(identifiers.REFUND, digest)


# --- the results -------------------------------------------------------------------------------

Result = RefundPaid | RefundFailed


class _Step(Struct, frozen=True):
    row: str
    to: RefundState
    posting: Callable[[str, Refund], Journal]


def _paid(_contract: str, refund: Refund) -> Journal:
    return postings.p41(refund.id, refund.provider, refund.currency, refund.amount)


def _failed(contract: str, refund: Refund) -> Journal:
    return postings.p42(refund.id, contract, refund.currency, refund.amount)


TRANSITIONS: Final[dict[tuple[RefundState, type[Result]], _Step]] = {
    ("ordered", RefundPaid): _Step("P41", "paid", _paid),
    ("ordered", RefundFailed): _Step("P42", "failed", _failed),
}


def record_result(view: ChainView, fact: Result, now_ms: int) -> Change:
    """P41, P42: what the provider did with a refund."""
    contract = view.contracts.get(fact.contract)
    if contract is None:
        raise Refused("UNKNOWN_CONTRACT")
    refund = next((known for known in contract.refunds if known.id == fact.refund), None)
    if refund is None:
        raise Refused("UNKNOWN_REFUND")
    reference = fact.reference if isinstance(fact, RefundPaid) else fact.reason
    step = TRANSITIONS.get((refund.state, type(fact)))
    if step is None:
        same = refund.state == ("paid" if isinstance(fact, RefundPaid) else "failed")
        raise Refused(DUPLICATE if same and refund.reference == reference else CONFLICT)
    draft = Draft(view, contract, now_ms)
    ended = replace(refund, state=step.to, reference=reference)
    draft.put(refunds=tuple(ended if old.id == refund.id else old for old in contract.refunds))
    draft.journals.append(step.posting(contract.id, refund))
    draft.rule(step.row)
    return draft.finish()
