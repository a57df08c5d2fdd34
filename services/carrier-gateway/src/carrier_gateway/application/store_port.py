"""The port to the gateway's memory: parcels, messages, given evidence, outbox; one transaction at a time.

A `Unit` lives inside one database transaction. What is read `for_change` stays locked until its end, so that
"what was already given" and "what is given now" are one step.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol

from msgspec import Struct

from carrier_gateway.core.normal_forms import Destination
from carrier_gateway.core.tracking import Evidence
from carrier_gateway.core.watching import Watch
from sps.transactions.vocabulary import Transaction

Subscription = Literal["waiting", "made", "refused", "given_up"]


class Parcel(Struct, frozen=True):
    """One tracking number and the parcel of a contract to which it is bound. Times in Unix milliseconds."""

    tag: str
    contract: str
    parcel: str
    carrier: str
    number: str
    destination: Destination | None
    """Personal; erased with the salt when the contract is closed."""
    salt: bytes | None
    created_ms: int
    watch: Watch = "booking"
    code: str = ""
    """Of the chain's refusal of the booking."""
    message: str = ""
    bookings: int = 1
    """Attempts to book: each is a transaction of its own."""
    booking: str = ""
    """Hex hash of the newest booking transaction."""
    subscription: Subscription = "waiting"
    reference: str = ""
    """The carrier's own name for the subscription."""
    subscribe_attempts: int = 0
    subscribe_due_ms: int | None = None
    poll_due_ms: int | None = None
    silent_polls: int = 0
    poll_troubles: int = 0


class Inbound(Struct, frozen=True):
    """One genuine message of a carrier, as it came. `key` is unique per carrier for ever."""

    carrier: str
    key: str
    origin: Literal["pushed", "pulled", "signed"]
    sha256: str
    body: bytes
    headers: tuple[tuple[str, str], ...]
    received_ms: int
    position: int = 0
    """Given by the store."""
    attempts: int = 0


class Sample(Struct, frozen=True):
    """A refused message, kept for diagnosis and never used as evidence; `body` is only its beginning."""

    carrier: str
    reason: str
    sha256: str
    bytes_received: int
    body: bytes
    headers: tuple[tuple[str, str], ...]
    received_ms: int


class Unit(Protocol):
    """What can be done inside one transaction."""

    async def parcel_for_change(self, carrier: str, number: str) -> Parcel | None:
        """The parcel with this number, locked until the transaction ends."""

    async def parcel_of_number(self, carrier: str, number: str) -> Parcel | None:
        """The parcel with this number, as it is now."""

    async def newest_parcel(self, contract: str, parcel: str) -> Parcel | None:
        """The newest booking of a parcel of a contract."""

    async def parcels_concerned(self, contracts: Sequence[str], bookings: Sequence[str]) -> list[Parcel]:
        """Those of these contracts or booking transactions whose watch may still change, locked."""

    async def add_parcel(self, parcel: Parcel) -> None:
        """A new number. Raises `AlreadyThere` when somebody was first."""

    async def save_parcel(self, parcel: Parcel) -> None:
        """Write all that may change of a parcel, by its tag."""

    async def due_subscriptions(self, carrier: str, now_ms: int, limit: int) -> list[Parcel]:
        """Parcels for which the carrier has to be asked for messages, the longest due first."""

    async def due_polls(self, carrier: str, now_ms: int, limit: int) -> list[Parcel]:
        """Silent parcels, the longest due first."""

    async def given(self, tag: str) -> tuple[Evidence, ...]:
        """All facts already given to the chain for this number."""

    async def note_given(self, tag: str, facts: Sequence[Evidence], raw: str, now_ms: int) -> None:
        """Remember facts as given."""

    async def forget_given(self, tag: str) -> None:
        """Begin anew: what was given belonged to a booking that the contract does not know."""

    async def submit(self, *transactions: Transaction) -> None:
        """Put transactions into the outbox; the same transaction twice is one."""

    async def keep_inbound(self, message: Inbound) -> bool:
        """Keep a message; False when its key is known already, and then nothing is changed."""

    async def keep_answer(self, message: Inbound) -> None:
        """Keep the answer to a pull that gave evidence, as already handled; repeats are one."""

    async def due_inbound(self, carrier: str, now_ms: int, limit: int) -> list[Inbound]:
        """Messages of a carrier to translate, in the order in which they came."""

    async def hold_inbound(self, position: int) -> bool:
        """Keep others from a message until the transaction ends; False when it is in other hands or done."""

    async def finish_inbound(self, position: int, outcome: str, now_ms: int) -> None:
        """Mark a message as handled."""

    async def postpone_inbound(self, position: int, attempts: int, due_ms: int) -> None:
        """Try a message again later."""

    async def keep_sample(self, sample: Sample) -> None:
        """Keep a refused message; the oldest and the too old go."""


class AlreadyThere(Exception):
    """The number was bound by another transaction in the meantime."""


class Store(Protocol):
    """The gateway's memory."""

    def transaction(self) -> AbstractAsyncContextManager[Unit]:
        """Committed when the block ends well. Raises `Trouble` when the database fails."""

    def reading(self) -> AbstractAsyncContextManager[Unit]:
        """One consistent view; nothing may be written."""

    def within(self, connection: Any) -> Unit:
        """The unit of a transaction that somebody else holds (the follower's)."""
