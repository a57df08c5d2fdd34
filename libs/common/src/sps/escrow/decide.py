"""The smart contract: `decide` takes one fact, `fire` one due deadline; both read a view and give a change.

Pure; only block time counts. A refusal changes nothing and is recorded with its code
(`docs/life-of-a-contract.md`).
"""

from collections.abc import Callable
from typing import Any, Final

from sps.escrow import (
    agreement,
    clocks,
    conversion,
    correction,
    parcel,
    payin,
    payout,
    provider,
    refund,
    release,
    tranche,
)
from sps.escrow.change import Change, Draft
from sps.escrow.state import Deadline
from sps.escrow.view import ChainView
from sps.transactions import vocabulary as facts

DECISIONS: Final[dict[type[facts.Fact], Callable[[ChainView, Any, int], Change]]] = {
    facts.Offer: agreement.offer,
    facts.Accept: agreement.command,
    facts.Decline: agreement.command,
    facts.Withdraw: agreement.command,
    facts.Cancel: agreement.command,
    facts.RequestCancel: agreement.command,
    facts.RefuseCancel: agreement.command,
    facts.AcceptGoods: tranche.accept_goods,
    facts.RequestQuote: conversion.request,
    facts.AcceptQuote: conversion.accept,
    facts.RequestPayout: payout.request,
    facts.BookParcel: parcel.book,
    facts.ParcelEvidence: parcel.add_evidence,
    facts.PaymentPending: payin.record,
    facts.PaymentCleared: payin.record,
    facts.PaymentFailed: payin.record,
    facts.ProviderFee: provider.provider_fee,
    facts.ProviderSettled: provider.provider_settled,
    facts.RefundPaid: refund.record_result,
    facts.RefundFailed: refund.record_result,
    facts.PayoutHeld: payout.record_result,
    facts.PayoutPaid: payout.record_result,
    facts.PayoutFailed: payout.record_result,
    facts.PayoutReturned: payout.record_result,
    facts.PayoutManual: payout.record_result,
    facts.PublishRates: conversion.publish,
    facts.LockQuote: conversion.lock,
    facts.ReverseRelease: correction.reverse_release,
}
"""Which machine decides about which fact."""


def _whole(act: Callable[[Draft], None]) -> Callable[[Draft, str], None]:
    def fire(draft: Draft, _subject: str) -> None:
        act(draft)

    return fire


CLOCKS: Final[dict[str, Callable[[Draft, str], None]]] = {
    clocks.OFFER: _whole(agreement.offer_over),
    clocks.PAY: _whole(agreement.payment_over),
    clocks.TOPUP: _whole(agreement.topup_over),
    clocks.CANCEL: _whole(agreement.cancel_answer_over),
    clocks.SHIP: _whole(parcel.shipping_over),
    clocks.MAX_HOLD: _whole(tranche.longest_hold_over),
    clocks.PARK: payin.parking_over,
    clocks.FIRST_SCAN: parcel.no_first_scan,
    clocks.SILENCE: parcel.silent,
    clocks.DELIVER: parcel.presumed_lost,
    clocks.INSPECTION: tranche.inspection_over,
    clocks.RESERVE: release.free_reserve,
}
"""Which machine answers which clock of a contract."""


def decide(view: ChainView, transaction: facts.Transaction, now_ms: int) -> Change:
    """Decide about one fact at block time `now_ms`; raise `Refused` with a stable code."""
    return DECISIONS[type(transaction)](view, transaction, now_ms)


def fire(view: ChainView, owner: str, deadline: Deadline, now_ms: int) -> Change:
    """Let a due deadline of the contract or quote `owner` act."""
    if deadline.kind == clocks.QUOTE:
        return conversion.expire(view.quotes[owner])
    draft = Draft(view, view.contracts[owner], now_ms)
    draft.disarm_one(deadline.kind, deadline.subject)
    CLOCKS[deadline.kind](draft, deadline.subject)
    return draft.finish()
