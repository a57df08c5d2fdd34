"""What a provider can tell about an order of ours, as values. Doubt is a value too, and never means no."""

from msgspec import Struct

from sps.money import Money


class Accepted(Struct, frozen=True):
    """The provider has the order and is working on it; the money is not yet sent."""

    reference: str
    raw: bytes


class Sent(Struct, frozen=True):
    """The provider debited us and paid. `raw` is its answer as received."""

    reference: str
    raw: bytes


class Rejected(Struct, frozen=True):
    """The provider did not pay and will not: nothing was debited, or all of it was put back."""

    reason: str
    raw: bytes = b""


class Returned(Struct, frozen=True):
    """Paid and come back; `amount` is what arrived (None: the provider states nothing, so all of it)."""

    reason: str
    amount: Money | None = None
    raw: bytes = b""


class Unknown(Struct, frozen=True):
    """The call may or may not have been executed: time-out, 5xx, an answer that is not proved."""

    reason: str


class Absent(Struct, frozen=True):
    """A complete, authentic answer to a query: the provider does not know our identifier."""


Outcome = Accepted | Sent | Rejected | Returned | Unknown | Absent
