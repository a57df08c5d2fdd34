"""What the REST API answers, for the documentation; a test holds every real answer against these.

The answers themselves are made by `contract_api.core.views`.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from contract_api.core.narration import Speaker
from sps.escrow.header import HeaderState, Outcome
from sps.escrow.state import ParcelState, PayinState, RefundState, TrancheState

Minor = Annotated[str, Field(pattern=r"^(0|-?[1-9][0-9]*)$", description="Minor units as a string.")]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217.")]
Time = Annotated[str, Field(description="RFC 3339, UTC, milliseconds: the time of the block.")]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Id = Annotated[str, Field(pattern=r"^[a-z]{3}_[0-7][0-9a-hjkmnp-tv-z]{25}$")]


class View(BaseModel):
    """Nothing but what is named."""

    model_config = ConfigDict(extra="forbid")


class Money(View):
    """An amount: a string of minor units and a currency, never a number with a point."""

    minor: Minor
    currency: Currency


class Merchant(View):
    """A new merchant; the key is shown this once."""

    merchant: Id
    api_key: Annotated[str, Field(examples=["spsk_test_…"])]


class Pending(View):
    """The transaction is on its way into a block."""

    resource: str
    status: Literal["pending"]


class ShipTo(View):
    """The delivery address; kept beside the chain, and absent once it was erased."""

    name: str
    street: str
    city: str
    postcode: str
    country: str


class Tranche(View):
    """A part of the price and where its money is, in minor units of `currency`."""

    tranche: str
    state: TrancheState
    rule: str | None = Field(description="The rule that decided it.")
    currency: Currency
    amount: Minor
    held: Minor
    released: Minor
    refunded: Minor
    fee: Minor


class Parcel(View):
    """A parcel; `tag` stands for its tracking number, which only the carrier gateway knows."""

    parcel: str
    state: ParcelState
    carrier: str | None
    tag: Hash | None
    level: int = Field(description="How well the delivery is proved, 0 to 4.")
    delivered_at: Time | None


class Payment(View):
    """A payment attempt of the buyer."""

    payment: Id
    provider: str
    state: PayinState
    amount: Money | None
    reference: str | None


class PaymentOpened(View):
    """Where the buyer pays."""

    payment: Id
    url: str


class BookedParcel(View):
    """A parcel under its tracking number; `state` is as the chain has it by now."""

    parcel: str
    carrier: str | None
    tag: Hash | None
    state: ParcelState


class Refund(View):
    """Money on its way back to the buyer."""

    refund: Id
    payment: Id
    provider: str
    state: RefundState
    amount: Money


class Deadline(View):
    """When a clock of the contract fires, and about what."""

    kind: str
    subject: str | None
    due_at: Time


class Contract(View):
    """A contract as its seller or its buyer sees it."""

    contract: Id
    state: HeaderState
    outcome: Outcome | None = Field(description="How it ended; null until it is decided.")
    version: int = Field(ge=1, description="Rises by one with every accepted step.")
    height: int = Field(description="The block of the newest step.")
    seller: Id
    amount: Money
    received: Money
    surplus: Money
    terms_hash: Hash
    terms: dict[str, Any] = Field(description="Exactly what both parties signed; no personal data in it.")
    rules: dict[str, Any] = Field(description="The terms with every default written out.")
    tranches: list[Tranche]
    parcels: list[Parcel]
    payments: list[Payment]
    refunds: list[Refund]
    deadlines: list[Deadline]
    next_deadline: Deadline | None
    created_at: Time
    description: str | None = None
    ship_to: ShipTo | None = None
    buyer_token: str = Field("", description="Only for the seller.")
    buyer_link: str = Field("", description="Only for the seller: what the buyer is sent.")


class ListedContract(Contract):
    """A contract in a list."""

    created_ms: int


class ContractPage(View):
    """Newest first; go on with `next_cursor` while there is more."""

    data: list[ListedContract]
    has_more: bool
    next_cursor: str | None


class Posting(View):
    """One line of a journal; debit positive."""

    journal: str
    account: str
    minor: Minor
    currency: Currency


class Event(View):
    """Who said what, in which block, and what it did to the money. Refused steps are listed, too."""

    version: int
    height: int
    index: int
    block_time: Time
    kind: str
    by: Speaker
    summary: str
    code: str = Field(description="OK, or why the step was refused.")
    rules: list[str]
    postings: list[Posting]
    transaction: Hash | None = Field(description="Null when a clock did it.")
    message: str | None


class EventList(View):
    """Oldest first."""

    data: list[Event]
