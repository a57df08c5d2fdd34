"""What the use cases ask of the world outside: payment providers and the register of this service.

A provider is never believed without proof: its methods return values whose evidence is an
authenticated answer, and every doubt is an `Unknown`, never an exception.
"""

from typing import Literal, Protocol

from msgspec import Struct

from payment_gateway.core.outcome import Outcome
from payment_gateway.core.payment import Found
from payment_gateway.core.payout import Rules
from payment_gateway.core.refusal import Refused
from payment_gateway.core.units import Units
from sps.escrow.state import Contract, Payout, Refund
from sps.money import Money
from sps.runtime.errors import Trouble

HintKind = Literal["payment", "order", "none"]


class CheckoutWish(Struct, frozen=True):
    """A buyer is to be sent to the provider. `payment` is our identifier and the provider's key."""

    payment: str
    contract: str
    amount: Money
    return_url: str
    expires_ms: int


class Checkout(Struct, frozen=True):
    """Where the buyer goes, and the provider's own number of the attempt (may be empty)."""

    url: str
    reference: str


class Instruction(Struct, frozen=True):
    """One outgoing order as a provider needs it. `id` is the key, the same for ever."""

    id: str
    amount: Money
    ordered_ms: int
    account: str = ""
    """Payout: the beneficiary's account at the provider."""
    name: str = ""
    """Payout: the beneficiary's name, where the provider wants one."""
    payment: str = ""
    """Refund: our identifier of the pay-in."""
    payment_reference: str = ""
    """Refund: the provider's number of the pay-in."""
    reference: str = ""
    """The provider's number of this order, when it is already known."""


class RawCallback(Struct, frozen=True):
    """A callback exactly as received. Header names in lower case."""

    body: bytes
    headers: tuple[tuple[str, str], ...]
    received_ms: int


class Hint(Struct, frozen=True):
    """What a proved callback is about. It moves nothing; it only says where to look."""

    kind: HintKind
    subject: str = ""
    """Our identifier of the payment or order."""
    event_key: str = ""
    """The provider's number of the event; the same event has the same one."""
    reference: str = ""
    """The provider's own number of the payment, so that each of several can be asked for."""
    claimed: Money | None = None
    """The amount that the callback states, to be compared with our record."""


class CallbackRefused(Refused):
    """Not proved to come from the provider, or not meant for us."""


class ProviderTrouble(Trouble):
    """The provider could not be asked or did not answer usably; nothing is known."""


class Answers(Struct, frozen=True):
    """What a provider wants to hear: the body of a good answer, and of a refusal."""

    good: str
    bad: str


class PaymentProvider(Protocol):
    """One payment provider. Called by use cases outside any database transaction."""

    name: str
    units: Units
    rules: Rules
    answers: Answers

    async def checkout(self, wish: CheckoutWish) -> Checkout:
        """Prepare the pay page; repeating it with the same payment never makes a second one.

        Raises `ProviderTrouble`.
        """

    async def find_payment(self, payment: str, reference: str, trade: str = "") -> Found:
        """Ask what has become of a payment, or of one `trade` of it. Raises `ProviderTrouble`.

        `reference` is the number of the pay page, `trade` the provider's number of money that came.
        """

    async def close_checkout(self, payment: str, reference: str) -> None:
        """Ask the provider to take no more money for an unpaid attempt. Raises `ProviderTrouble`."""

    def check_account(self, account: str, name: str) -> str:
        """Return the account in the provider's spelling; raises `UnitRefused` when it cannot be one."""

    async def send_payout(self, instruction: Instruction) -> Outcome:
        """Pay a beneficiary; the key is `instruction.id`. Called only in SENDING(n)."""

    async def find_payout(self, instruction: Instruction) -> Outcome:
        """Look a payout up by our identifier; `Absent` only after a complete, proved answer."""

    async def send_refund(self, instruction: Instruction) -> Outcome:
        """Give a buyer's money back; the key is `instruction.id`. Called only in SENDING(n)."""

    async def find_refund(self, instruction: Instruction) -> Outcome:
        """Look a refund up by our identifier; `Absent` only after a complete, proved answer."""

    def prove(self, callback: RawCallback) -> Hint:
        """Verify the origin over the raw bytes and say what it is about. Raises `CallbackRefused`."""

    async def stop(self) -> None:
        """Close connections."""


class ChainView(Protocol):
    """Our own fold of the chain, after the newest block that was applied."""

    def contract(self, contract: str) -> Contract | None:
        """The contract as it is now."""

    def payout(self, payout: str) -> Payout | None:
        """The payout as it is now."""

    def refund(self, payment: str, refund: str) -> tuple[str, Refund] | None:
        """The refund as it is now, with its contract, found by the payment that it goes back to."""

    async def reached(self, height: int, within_s: float | None = None) -> None:
        """Return when this height is applied; raises `Trouble` when it takes too long."""
