"""What the sandbox remembers, one Struct per table. Amounts are minor units, times Unix milliseconds.

`id` is given by the store; 0 means that the record is not stored yet.
"""

from typing import Any, Final

from msgspec import Struct, field

ALIPAY: Final = "alipay"
STRIPE: Final = "stripe"
PROVIDERS: Final = (ALIPAY, STRIPE)


class Parcel(Struct, frozen=True):
    """A parcel that a carrier knows of. `number` is in capitals without spaces and hyphens."""

    carrier: str
    number: str
    country: str
    postcode: str
    created_ms: int
    id: int = 0


class Scan(Struct, frozen=True):
    """One thing that happened to a parcel. `postcode`: where it really happened, when that is told."""

    carrier: str
    number: str
    status: str
    occurred_ms: int
    signed_by: str = ""
    postcode: str = ""
    handover: str = ""
    id: int = 0


class Subscription(Struct, frozen=True):
    """DHL: who wants to be told about which parcel, and the token that the subscriber chose."""

    reference: str
    number: str
    uri: str
    header: str
    token: str
    secret: str
    state: str
    created_ms: int
    id: int = 0


class Tracker(Struct, frozen=True):
    """EasyPost: a number that somebody follows."""

    reference: str
    number: str
    created_ms: int
    id: int = 0


class Payment(Struct, frozen=True):
    """One trade or checkout. A second payment of the same checkout (`again`) is a record of its own."""

    provider: str
    our_id: str
    """The merchant's number: `out_trade_no`, `client_reference_id`."""
    reference: str
    """The provider's number: `trade_no`, the payment intent (empty until it is paid)."""
    session: str
    """Stripe: the Checkout Session. Alipay: the trade of the first payment."""
    minor: int
    currency: str
    state: str
    created_ms: int
    expires_ms: int
    received_minor: int = 0
    received_currency: str = ""
    fee: int = 0
    refunded: int = 0
    paid_ms: int = 0
    repeats: int = 0
    notify_url: str = ""
    return_url: str = ""
    subject: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    id: int = 0


class Movement(Struct, frozen=True):
    """Money that leaves: a refund, a payout, a transfer. `path`: the states it will still go through."""

    provider: str
    kind: str
    our_id: str
    reference: str
    minor: int
    currency: str
    state: str
    created_ms: int
    path: str = ""
    due_ms: int = 0
    payment: str = ""
    destination: str = ""
    grouping: str = ""
    """Stripe: `transfer_group`."""
    repeats: int = 0
    settled_ms: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    id: int = 0


class Account(Struct, frozen=True):
    """What a provider holds for the platform in one currency; never below zero."""

    provider: str
    currency: str
    balance: int
    id: int = 0


class Entry(Struct, frozen=True):
    """One line of the books. `minor` is positive; its kind says whether it comes in or goes out."""

    provider: str
    currency: str
    kind: str
    minor: int
    subject: str
    created_ms: int
    id: int = 0


class Delivery(Struct, frozen=True):
    """One message to the platform, kept until it is taken. `signing` is done anew at every attempt."""

    provider: str
    kind: str
    url: str
    body: str
    created_ms: int
    due_ms: int
    headers: dict[str, str] = field(default_factory=dict)
    signing: str = ""
    wants: str = ""
    """The exact body that means yes; empty: any 2xx."""
    subject: str = ""
    state: str = "pending"
    attempts: int = 0
    last: str = ""
    id: int = 0


class Stored(Struct, frozen=True):
    """Stripe: the answer that belongs to an Idempotency-Key."""

    key: str
    fingerprint: str
    status: int
    body: str
    subject: str
    created_ms: int
    id: int = 0


class Mischief(Struct, frozen=True):
    """How a provider misbehaves for now. Counters go down to zero; zero everywhere is good behaviour."""

    provider: str
    repeat: int = 0
    shuffle: bool = False
    drop_answers: int = 0
    fail_payouts: int = 0
    return_payouts: int = 0
    delay_ms: int = 0
    silent: bool = False
    id: int = 0
