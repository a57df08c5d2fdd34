"""Who said what, in one sentence: what a receipt means to the people who look at the timeline."""

from typing import Final, Literal

from msgspec import Struct

from sps.chain.receipt import OK, Receipt
from sps.escrow.refusals import DUPLICATE
from sps.transactions.codec import decode
from sps.transactions.values import ParcelStatus
from sps.transactions.vocabulary import ParcelEvidence

Speaker = Literal["seller", "buyer", "carrier", "provider", "settlement", "clock", "operator"]


class Line(Struct, frozen=True):
    """One posting as people read it: `minor` signed, debit positive."""

    journal: str
    account: str
    minor: int
    currency: str


_SAID: Final[dict[str, tuple[Speaker, str]]] = {
    "contract.offer.v1": ("seller", "signed the terms and opened the contract"),
    "contract.accept.v1": ("buyer", "signed the same terms"),
    "contract.decline.v1": ("buyer", "declined the offer"),
    "contract.withdraw.v1": ("seller", "withdrew the offer"),
    "contract.cancel.v1": ("seller", "cancelled before hand-over"),
    "contract.request_cancel.v1": ("buyer", "asked to cancel"),
    "contract.refuse_cancel.v1": ("seller", "refused to cancel"),
    "contract.accept_goods.v1": ("buyer", "accepted the goods"),
    "quote.request.v1": ("seller", "asked for a rate"),
    "quote.accept.v1": ("seller", "accepted the rate"),
    "quote.lock.v1": ("settlement", "locked a rate"),
    "rates.publish.v1": ("settlement", "published reference rates"),
    "payout.request.v1": ("seller", "ordered a payout"),
    "parcel.book.v1": ("carrier", "watches the parcel under its tracking number"),
    "parcel.evidence.v1": ("carrier", "reported on the parcel"),
    "payment.pending.v1": ("provider", "took the buyer to the payment page"),
    "payment.cleared.v1": ("provider", "confirmed the payment"),
    "payment.failed.v1": ("provider", "reported that the payment failed"),
    "provider.fee.v1": ("provider", "kept its fee"),
    "provider.settled.v1": ("provider", "sent its balance to the bank"),
    "refund.paid.v1": ("provider", "gave the money back"),
    "refund.failed.v1": ("provider", "could not give the money back"),
    "payout.held.v1": ("provider", "holds the payout"),
    "payout.paid.v1": ("provider", "paid out"),
    "payout.failed.v1": ("provider", "refused the payout"),
    "payout.returned.v1": ("provider", "returned the payout"),
    "payout.manual.v1": ("provider", "handed the payout to a person"),
    "release.reverse.v1": ("operator", "took a release back"),
}

EVIDENCE: Final = "parcel.evidence.v1"
DEADLINE: Final = "a deadline passed"
SIGNED: Final = "delivered the parcel against a signature"

REPORTED: Final[dict[ParcelStatus, str]] = {
    "label_created": "knows the parcel, but does not have it yet",
    "picked_up": "has taken the parcel",
    "in_transit": "carries the parcel",
    "out_for_delivery": "brings the parcel today",
    "attempted": "met nobody at the address",
    "at_pickup": "keeps the parcel for pick-up",
    "delivered": "delivered the parcel",
    "exception": "reports a delay",
    "returning": "takes the parcel back to the seller",
    "returned": "gave the parcel back to the seller",
    "lost": "lost the parcel",
    "damaged": "damaged the parcel",
}
"""What a carrier's word means, by the status of its evidence."""

_EFFECTS: Final[dict[str, str]] = {
    "P03": "the money is held",
    "P04": "the provider's fee is ours to bear",
    "P05": "a part of the money is held",
    "P06": "the money is held, a small shortfall is borne by the seller",
    "P07": "the held money goes back to the buyer",
    "P08": "too much was paid, the rest goes back",
    "P09": "money for a closed contract is parked",
    "P10": "money of an unknown owner is parked",
    "P11": "money in another currency is parked",
    "P12": "the provider's balance is on its way to the bank",
    "P20": "the money is released to the seller",
    "P21": "a part of the money is released to the seller",
    "P23": "the seller's reserve is free",
    "P24": "the release is taken back, the money is held again",
    "P31": "the money is converted",
    "P40": "the refund is ordered",
    "P41": "the refund is done",
    "P42": "the refund waits for another way",
    "P60": "the payout is ordered",
    "P61": "the payout is paid",
    "P63": "the money is the seller's again",
    "P64": "the money came back to the seller",
}


def speaker(receipt: Receipt) -> Speaker:
    """Who caused it; a deadline is the clock's."""
    return _SAID.get(receipt.kind, ("clock", ""))[0]


def summary(receipt: Receipt, body: bytes | None = None) -> str:
    """One sentence: what was said (`body`: the transaction's bytes), and what it did to the money."""
    said = _reported(body) if receipt.kind == EVIDENCE else ""
    said = said or _SAID.get(receipt.kind, ("clock", DEADLINE))[1]
    if receipt.code == DUPLICATE:
        return f"{said}: a repeat, nothing changed"
    if receipt.code != OK:
        return f"{said}: refused ({receipt.code})"
    effects = dict.fromkeys(_EFFECTS[each.kind] for each in receipt.journals if each.kind in _EFFECTS)
    return "; ".join([said, *effects])


def sentences() -> set[str]:
    """Every part that a summary can have, so that a test can ask for its translation."""
    said = {sentence for _, sentence in _SAID.values()}
    return said | set(_EFFECTS.values()) | set(REPORTED.values()) | {DEADLINE, SIGNED}


def _reported(body: bytes | None) -> str:
    fact = decode(body) if body is not None else None
    if not isinstance(fact, ParcelEvidence):
        return ""
    return SIGNED if fact.status == "delivered" and fact.document else REPORTED[fact.status]


def lines(receipt: Receipt) -> list[Line]:
    """The postings, memo accounts left out: they are no money."""
    return [
        Line(each.kind, posting.account, posting.amount, posting.currency)
        for each in receipt.journals
        for posting in each.postings
        if not posting.account.startswith("9")
    ]
