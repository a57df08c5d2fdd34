"""What this service remembers. Every method is one database transaction; a crash leaves all of it or none.

Facts given to a method go to the chain's outbox in the same transaction (`docs/life-of-a-contract.md`).
"""

from collections.abc import Collection, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from payment_gateway.application.ports import Hint, RawCallback
from payment_gateway.core.outcome import Outcome
from payment_gateway.core.payment import Arrival
from payment_gateway.core.payout import Machine
from sps.money import Money
from sps.transactions.vocabulary import Transaction

PaymentState = Literal["opening", "pending", "cleared", "failed"]
CallbackEnd = Literal["done", "repeat", "unknown"]


class PaymentRow(Struct, frozen=True):
    """A payment attempt of a buyer. Times in Unix milliseconds; `due_ms` is when to look at it next."""

    id: str
    contract: str
    provider: str
    amount: Money
    """What was asked for, not what came."""
    created_ms: int
    expires_ms: int
    due_ms: int
    state: PaymentState = "opening"
    reference: str = ""
    """The provider's number of the pay page."""
    url: str = ""
    looks: int = 0
    fence: int = 0
    """Rises with every claim; what an older look found out is void."""


class Beneficiary(Struct, frozen=True):
    """Private account data behind a commitment; deleting the row erases it."""

    commitment: str
    provider: str
    account: str
    name: str
    salt: bytes


class StoredCallback(Struct, frozen=True):
    """A callback of the inbox. `id` counts arrivals."""

    id: int
    provider: str
    callback: RawCallback


class OrderRow(Struct, frozen=True):
    """An accepted order with its machine."""

    id: str
    kind: Literal["payout", "refund"]
    provider: str
    amount: Money
    beneficiary: str
    payment: str
    contract: str
    ordered_ms: int
    machine: Machine


class Position(Struct, frozen=True):
    """Where a record stood in the log."""

    partition: int
    offset: int


class PaymentRegister(Protocol):
    """Payments of buyers."""

    async def open_payment(self, fresh: PaymentRow) -> PaymentRow:
        """Write a new attempt, or return the open one for the same contract, provider and amount."""

    async def payment(self, payment: str) -> PaymentRow | None:
        """One payment."""

    async def arrivals(self, payment: str) -> list[Arrival]:
        """What has arrived for it."""

    async def hinted(self, payment: str) -> list[str]:
        """The provider's numbers that callbacks have named for it and that have not arrived yet."""

    async def payment_sent(
        self, payment: str, url: str, reference: str, due_ms: int, facts: Sequence[Transaction]
    ) -> bool:
        """The buyer has his address: opening → pending; False when he had one before."""

    async def due_payments(self, now_ms: int, limit: int) -> list[PaymentRow]:
        """Those to be looked at now, longest due first."""

    async def claim_payment(self, row: PaymentRow, until_ms: int) -> PaymentRow | None:
        """Take one for a look; None when somebody else was first."""

    async def settle_payment(
        self,
        claimed: PaymentRow,
        result: PaymentRow,
        arrivals: Sequence[Arrival],
        facts: Sequence[Transaction],
    ) -> bool:
        """Write what a look found, if the fence is still its own; tell whether it was.

        A hint that came meanwhile keeps the row due.
        """


class BeneficiaryRegister(Protocol):
    """Private account data."""

    async def keep_beneficiary(self, beneficiary: Beneficiary, now_ms: int) -> None:
        """Store it."""

    async def beneficiary(self, commitment: str) -> Beneficiary | None:
        """The data behind a commitment, unless it was erased."""


class CallbackRegister(Protocol):
    """The inbox of callbacks: raw bytes first."""

    async def keep_callback(self, provider: str, callback: RawCallback) -> int:
        """Store it as received; it is durable when this returns."""

    async def refuse_callback(self, callback: int, code: str, now_ms: int) -> bool:
        """Keep a bounded sample of it and nothing more; False: it has its verdict already."""

    async def waiting_callbacks(self, limit: int) -> list[StoredCallback]:
        """Those not translated yet, oldest first."""

    async def finish_callback(self, stored: StoredCallback, hint: Hint, now_ms: int) -> CallbackEnd:
        """Make what the hint is about due now; a repeat of the same event changes nothing."""


class OrderRegister(Protocol):
    """Outgoing orders and their attempts."""

    async def next_offset(self, partition: int) -> int:
        """Where to read on in the orders' topic."""

    async def take_order(self, position: Position, row: OrderRow | None) -> bool:
        """Note the record as read and write its order, unless the order is known; tell whether it is new."""

    async def refuse_order(self, position: Position, code: str, record: bytes, now_ms: int) -> None:
        """Note the record as read; keep a bounded sample of what was refused."""

    async def ordered_ms(self, order: str) -> int | None:
        """Block time at which the chain ordered it, from our own projection."""

    async def order(self, order: str) -> OrderRow | None:
        """One order."""

    async def due_orders(self, now_ms: int, limit: int, stopped: Collection[str]) -> list[OrderRow]:
        """Those on which something is to be done now, longest due first; no sendings of stopped providers."""

    async def claim_order(self, row: OrderRow, machine: Machine, request: bytes | None) -> OrderRow | None:
        """Compare and set by state and fence; a `request` is noted as an attempt. None: was taken."""

    async def save_order(
        self, claimed: OrderRow, machine: Machine, outcome: Outcome, facts: Sequence[Transaction], now_ms: int
    ) -> bool:
        """Write an answer if the fence is still ours; tell whether it was."""
