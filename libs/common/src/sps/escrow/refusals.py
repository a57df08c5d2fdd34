"""Refusals of the contract: a stable code, what it means, what to do. Codes never change their meaning."""

from typing import Final

DUPLICATE: Final = "DUPLICATE"
CONFLICT: Final = "CONFLICT"

REFUSALS: Final[dict[str, str]] = {
    # repeats
    DUPLICATE: "This was recorded before; nothing changed and nothing needs to be done.",
    CONFLICT: "The same identifier was recorded with another content; find the error or use a new one.",
    # execution
    "MALFORMED": "The bytes are no transaction of the vocabulary; send canonical JSON of a known type.",
    "NOT_AUTHORISED": "This producer's role may not send this kind; let the service in charge send it.",
    "VOID_BATCH": "The batch contradicts its header, so all of it is void; the producer has to be repaired.",
    "BAD_IDENTIFIER": "The identifier has the prefix of another kind of thing; use one of the right kind.",
    # terms
    "SUM_DIFFERS": "The tranches have to sum exactly to the price; correct the amounts.",
    "UNKNOWN_CURRENCY": "Use a currency code of ISO 4217 that is in use today.",
    "AMOUNT_OUT_OF_BOUNDS": "An amount lies between 1 and 10^15 minor units; correct it.",
    "DUPLICATE_ID": "Every tranche, every parcel within a tranche and every carrier stands once; rename one.",
    "TOO_MANY_PARCELS": "A contract has at most 50 parcels; split it into two contracts.",
    "CLOCK_OUT_OF_RANGE": "A clock of the terms is zero or out of its range; choose a duration within it.",
    "CLOCKS_CONTRADICT": "Shipping and inspection have to fit into max_hold; shorten them or raise max_hold.",
    "LEVEL_TOO_LOW": "Release on delivery needs min_level 3 or 4; raise it or release after inspection.",
    "TOLERANCE_TOO_LARGE": "The tolerance has to be smaller than every tranche; lower it.",
    "FEES_EXCEED_PRICE": "Fee, tax, freight and reserve leave the seller nothing; lower them.",
    "CANCEL_FEE_TOO_LARGE": "The cancel fee is larger than the price; lower it.",
    "TAX_COUNTRY_MISSING": "Tax on the fee needs the country that gets it; name it.",
    "RESERVE_CONTRADICTS": "A reserve needs a share and a duration of at most 540 days; give both or none.",
    # contract
    "UNKNOWN_CONTRACT": "No contract has this identifier; check it, or wait until the offer is final.",
    "TERMS_DIFFER": "What was accepted is not what is offered; show the buyer the current terms again.",
    "SAME_PARTY": "Seller and buyer have the same key; the buyer needs a key of his own.",
    "WRONG_STATE": "The contract is not in a state in which this can be done; look at its state first.",
    "CONTRACT_ENDED": "The contract has ended; nothing can be done in it any more.",
    "HANDED_OVER": "A parcel is with the carrier already; it can no longer be cancelled.",
    "NO_CANCEL_REQUEST": "There is no open request to cancel; nothing needs to be refused.",
    "NOT_FUNDED": "Not all money is held yet; wait for the payment.",
    "UNKNOWN_TRANCHE": "The contract has no such tranche; name one of its tranches.",
    "TRANCHE_DECIDED": "The tranche is refunded already; nothing is held for it.",
    # parcels
    "UNKNOWN_PARCEL": "The contract has no such parcel; name one of its parcels.",
    "UNKNOWN_CARRIER": "The terms do not name this carrier; use one of those they name.",
    "TAG_USED": "This tracking number belongs to another parcel; book the right one.",
    "PARCEL_SCANNED": "The carrier has scanned the parcel; its tracking number can no longer change.",
    "PARCEL_NOT_BOOKED": "No tracking number is booked for the parcel; book it first.",
    "TAG_DIFFERS": "The evidence is about another tracking number than the one booked; it is not taken.",
    "EVIDENCE_TOO_OLD": "The carrier's event is older than the booking; a used number proves nothing.",
    "EVIDENCE_FROM_FUTURE": "The carrier's event lies in the future; check the carrier's clock and zone.",
    # payments
    "UNKNOWN_PAYMENT": "No payment has this identifier; report the payment before its fee.",
    "TOO_MANY_PAYINS": "The contract has too many payment attempts under way; finish one of them.",
    "PAYMENT_NOT_EXPECTED": "The contract expects no payment now; do not open a checkout.",
    "UNKNOWN_REFUND": "The contract has no such refund; check the identifier.",
    # payouts
    "UNKNOWN_PAYOUT": "No payout has this identifier; check it, or order one.",
    "INSUFFICIENT_FUNDS": "The seller has less than this free; ask for no more than the free balance.",
    "PAYOUT_STATE": "The payout is in a state that this result cannot follow; ask the provider again.",
    # rates
    "UNKNOWN_QUOTE": "No quote has this identifier; check it, or request one.",
    "SAME_CURRENCY": "Source and target are the same currency; nothing needs to be converted.",
    "QUOTE_STATE": "The quote is in a state in which this cannot be done; request a new one.",
    "QUOTE_EXPIRED": "The quote is over; request a new one, the old rate is gone.",
    "QUOTE_LIFE": "A lock ends after now and within 5 minutes; choose another expiry.",
    "UNKNOWN_RATES": "The lock names a document that is not the newest snapshot; compute it from that.",
    "RATES_TOO_OLD": "The rates are older than the network allows; publish newer ones.",
    "RATES_NOT_NEWER": "A snapshot at least as new is known; publish only newer ones.",
    "RATE_MISSING": "The snapshot has no rate for one of the currencies; choose another currency.",
    "RATE_DIFFERS": "The rate is not the cross rate of the snapshot; compute it by the published formula.",
    "RATE_BASE_DIFFERS": "The snapshot has another base than the one before; publish the same base.",
    "RATE_TWICE": "A currency stands twice in the snapshot, or is its base; publish each once.",
    "JUMP_NEEDS_APPROVAL": "A rate jumped further than the network allows; wait or have it approved.",
    "NOTHING_LEFT": "The amount is too small to give one minor unit of the target; convert more.",
    # operators
    "APPROVERS_NOT_DISTINCT": "Two different persons, neither of them a party, have to approve.",
    "NOT_AN_APPROVER": "Only approvers that the genesis document names may do this; let two of them sign.",
    "BAD_SIGNATURE": "An approval's signature is not good; sign exactly this release.",
    "NOT_RELEASED": "The tranche is not released; there is nothing to take back.",
    "ALREADY_PAID_OUT": "The seller's free balance no longer covers the release; it cannot be taken back.",
}
"""Code to what it means and what to do, in one or two sentences."""


TERMS_REFUSALS: Final = frozenset(
    {
        "SUM_DIFFERS",
        "UNKNOWN_CURRENCY",
        "AMOUNT_OUT_OF_BOUNDS",
        "DUPLICATE_ID",
        "TOO_MANY_PARCELS",
        "CLOCK_OUT_OF_RANGE",
        "CLOCKS_CONTRADICT",
        "LEVEL_TOO_LOW",
        "TOLERANCE_TOO_LARGE",
        "FEES_EXCEED_PRICE",
        "CANCEL_FEE_TOO_LARGE",
        "TAX_COUNTRY_MISSING",
        "RESERVE_CONTRADICTS",
    }
)
"""Codes with which `sps.escrow.terms_check` refuses terms: the terms have to be corrected, nothing else."""


class Refused(Exception):
    """The contract says no. `code` is stable; `message` says what to do."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.code = code
        self.message = f"{detail}. {REFUSALS[code]}" if detail else REFUSALS[code]
        super().__init__(f"{code}: {self.message}")


class Defect(Exception):
    """An invariant broke: the program is wrong, and stops before it writes."""


def check_prefix(identifier: str, prefix: str) -> None:
    """Refuse an identifier that names another kind of thing: kinds share the keys of the state."""
    if not identifier.startswith(prefix + "_"):
        raise Refused("BAD_IDENTIFIER")
