"""What a contract is at a moment: five small machines and the money buckets. Values only.

The header state that people see is derived (`sps.escrow.header`), never stored.
Every value is frozen; a step replaces what it changes. All times are block time in Unix milliseconds.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Final, Literal

import msgspec
from msgspec import Struct

from sps.transactions.terms import Terms

Agreement = Literal["offered", "agreed", "declined", "withdrawn", "expired", "cancelled"]
PayinState = Literal["pending", "cleared", "failed"]
Funding = Literal["unfunded", "part_funded", "funded"]
ParcelState = Literal[
    "planned",
    "booked",
    "handed_over",
    "in_transit",
    "out_for_delivery",
    "attempted",
    "at_pickup",
    "exception",
    "silent",
    "damaged",
    "returning",
    "returned",
    "lost",
    "delivered",
]
TrancheState = Literal["unfunded", "held", "inspection", "released", "refunded"]
RefundState = Literal["ordered", "paid", "failed"]
PayoutState = Literal["ordered", "held_by_provider", "paid", "failed", "returned", "manual"]
QuoteState = Literal["requested", "locked", "used", "expired"]


class Payin(Struct, frozen=True, array_like=True, gc=False):
    """One payment attempt of the buyer. `amount` in minor units of `currency`; 0 until cleared."""

    id: str
    provider: str
    state: PayinState
    currency: str = ""
    amount: int = 0
    reference: str = ""
    refunded: int = 0
    """Minor units already ordered back to this payer on this rail."""
    parked: int = 0
    """Of `amount`: never held for a tranche, waits for its way back."""
    expected: int = 0
    """While pending: what it is expected to bring, minor units of the contract's currency (memo P02)."""
    fee: int = 0
    fee_currency: str = ""
    """What the provider kept for it, once known (P04)."""


class Parcel(Struct, frozen=True, array_like=True, gc=False):
    """One parcel: a pure function of the set of its evidence and of the clocks that fired.

    `rank` only rises; `level` is the best evidence level of the delivery, never above `cap`.
    """

    id: str
    state: ParcelState = "planned"
    carrier: str = ""
    tag: str = ""
    rank: int = 0
    level: int = 0
    booked_ms: int = 0
    last_scan_ms: int = 0
    delivered_ms: int = 0
    said: ParcelState = "planned"
    """What the ruling evidence says; `state` differs from it only while silent or presumed lost."""
    said_ms: int = 0
    """The carrier's own time of the ruling evidence; decides between equal ranks."""
    best: int = 0
    """Best level of a delivery message before the cap."""
    cap: int = 4
    """Lowest cap of authenticated evidence: 2 for a neighbour or locker, 1 for another destination."""
    received: bool = False
    """The buyer's own word (D12); nothing overrides it."""
    evidence: tuple[str, ...] = ()
    """Natural keys of the evidence already taken, bounded; a repeat is harmless."""


class TrancheMoney(Struct, frozen=True, array_like=True, gc=False):
    """One tranche's money in minor units: held + released + refunded = what was received for it."""

    id: str
    amount: int
    state: TrancheState = "unfunded"
    held: int = 0
    released: int = 0
    refunded: int = 0
    fee: int = 0
    tax: int = 0
    freight: int = 0
    reserve: int = 0
    """Of `released`: fee, tax on it, freight, reserve that is not free yet; the rest is the seller's."""
    periods: int = 0
    """Inspection periods that have begun."""
    released_at: str = ""
    """`height/index/kind` of the journal that released it."""
    rule: str = ""
    """The rule that ended it, such as `M1` or `M5`."""


class Refund(Struct, frozen=True, array_like=True, gc=False):
    """Money on its way back to a payer: same rail, same currency."""

    id: str
    payment: str
    provider: str
    currency: str
    amount: int
    state: RefundState = "ordered"
    reference: str = ""


class PayoutLink(Struct, frozen=True, array_like=True, gc=False):
    """An automatic payout of the contract, so that the header can tell what is still under way."""

    id: str
    tranche: str
    state: PayoutState = "ordered"


class Deadline(Struct, frozen=True, order=True, array_like=True, gc=False):
    """A clock: in the first block whose time has reached `due_ms`, `kind` fires for `subject`."""

    due_ms: int
    kind: str
    subject: str = ""


_plain: Final = msgspec.msgpack.Encoder()


class Opening:  # noqa: PLW1641 a value to compare, never a key
    """What the offer fixed for ever: made once, shared by all versions of a contract, and encoded once."""

    __slots__ = ("encoded", "opened_ms", "price", "seller", "seller_key", "terms", "terms_hash")

    def __init__(self, seller: str, seller_key: str, terms: Terms, terms_hash: str, opened_ms: int) -> None:
        self.seller: Final = seller
        self.seller_key: Final = seller_key
        self.terms: Final = terms
        self.terms_hash: Final = terms_hash
        self.opened_ms: Final = opened_ms
        self.price: Final = int(terms.price)
        """Minor units of the terms' currency."""
        self.encoded: Final = msgspec.Raw(_plain.encode((seller, seller_key, terms_hash, opened_ms)))
        """Of the terms only their hash is in it: they never change and stand in the offer."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Opening) and bytes(self.encoded) == bytes(other.encoded)


class Contract(Struct, frozen=True, array_like=True, gc=False):
    """The whole contract. `version` rises by one with every accepted step."""

    id: str
    version: int
    opening: Opening
    agreement: Agreement
    buyer_key: str = ""
    funding: Funding = "unfunded"
    received: int = 0
    """Minor units of the contract's currency that cleared, surplus included."""
    surplus: int = 0
    """Of it: parked, too much or too late, not yet ordered back."""
    surplus_returned: int = 0
    parked: tuple[tuple[str, int], ...] = ()
    """Wrong-currency money by currency, parked until it goes back."""
    shortfall: int = 0
    """Accepted underpayment within the tolerance, borne by the seller."""
    payins: tuple[Payin, ...] = ()
    tranches: tuple[TrancheMoney, ...] = ()
    parcels: tuple[Parcel, ...] = ()
    refunds: tuple[Refund, ...] = ()
    payouts: tuple[PayoutLink, ...] = ()
    deadlines: tuple[Deadline, ...] = ()
    funded_ms: int = 0
    due: int = 0
    """Minor units that the contract still expects (memo P01)."""
    closed_ms: int = 0
    """Block time at which it closed; 0 while open. Late money never opens it again."""

    @property
    def seller(self) -> str:
        return self.opening.seller

    @property
    def seller_key(self) -> str:
        return self.opening.seller_key

    @property
    def terms(self) -> Terms:
        return self.opening.terms

    @property
    def terms_hash(self) -> str:
        """Hex."""
        return self.opening.terms_hash

    @property
    def opened_ms(self) -> int:
        return self.opening.opened_ms


class Payout(Struct, frozen=True, gc=False):
    """An order to pay a seller, one id for ever. `amount` in minor units."""

    id: str
    seller: str
    provider: str
    beneficiary: str
    currency: str
    amount: int
    state: PayoutState = "ordered"
    contract: str = ""
    tranche: str = ""
    reference: str = ""
    reason: str = ""


class Quote(Struct, frozen=True, gc=False):
    """A rate offer for exactly `amount` minor units of `source`.

    The rate is num/den units of `target` per unit of `source`, both in major units.
    """

    id: str
    seller: str
    source: str
    amount: int
    target: str
    state: QuoteState = "requested"
    document: str = ""
    num: int = 0
    den: int = 0
    spread_bp: int = 0
    spread: int = 0
    out: int = 0
    """What the seller gets, minor units of `target`."""
    expires_ms: int = 0
    """The quote is over at the first block that has reached this time, unless it was used."""


class Sweep(Struct, frozen=True, gc=False):
    """A provider's transfer to our bank, known by `provider/sweep` (P12)."""

    id: str
    currency: str
    net: int
    fee: int


class RateSnapshot(Struct, frozen=True, gc=False):
    """The newest published reference rates: per currency (num, den) units for one unit of `base`."""

    source: str
    base: str
    as_of_ms: int
    document: str
    rates: tuple[tuple[str, int, int], ...]


Value = Contract | Payout | Quote | RateSnapshot | Payin | Sweep
"""What can be written under one key of the chain's state."""

encode: Final[Callable[[Value], bytes]] = msgspec.msgpack.Encoder(enc_hook=attrgetter("encoded")).encode
"""The bytes (MessagePack) whose SHA-256 enters the write set and the receipt."""
