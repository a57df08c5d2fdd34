"""What the REST API takes. Unknown fields are refused, amounts are strings of minor units, never numbers."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from contract_api.core.drafting import ShipTo, Wish, destination
from sps.money import Money, MoneyRefused, parse_minor
from sps.runtime.problems import FieldError, Problem
from sps.transactions.terms import Clocks, Fees, PayoutWish, Tranche
from sps.transactions.values import PARCELS_MAX, TRANCHES_MAX

TEXT_MAX: Final = 500
DURATION_MAX: Final = 366 * 86_400_000


def storable(text: str) -> str:
    """No database keeps a NUL in its texts."""
    if "\0" in text:
        raise ValueError("leave out the character NUL")
    return text


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,39}$")]
Text = Annotated[str, Field(min_length=1, max_length=TEXT_MAX), AfterValidator(storable)]
Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Minor = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,17}$", examples=["128000"])]
MinorOrZero = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,17})$")]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["CNY"])]
Duration = Annotated[int, Field(ge=0, le=DURATION_MAX)]
BasisPoints = Annotated[int, Field(ge=0, le=10_000)]


class Body(BaseModel):
    """Strict: what is not known is refused, what is a number stays a number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Amount(Body):
    """Money: a string of minor units and an ISO 4217 code."""

    minor: Minor
    currency: Currency


class Address(Body):
    """Where the parcel goes. Stays off the chain; only salted commitments go on it."""

    name: Text
    street: Text
    city: Text
    postcode: Annotated[str, Field(min_length=1, max_length=16, examples=["10115"])]
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$", examples=["DE"])]

    @field_validator("postcode")
    @classmethod
    def can_be_confirmed(cls, postcode: str) -> str:
        """A postcode that no carrier can confirm would make a contract that can never be shipped."""
        destination("", postcode)
        return postcode


class TranchePart(Body):
    """A part of the price that is released when all its parcels are delivered."""

    id: Name
    minor: Minor
    parcels: Annotated[list[Name], Field(min_length=1, max_length=PARCELS_MAX)]


class ClockWishes(Body):
    """Durations in milliseconds; what is left out has the platform's default."""

    offer_ttl: Duration | None = None
    pay_ttl: Duration | None = None
    topup_ttl: Duration | None = None
    ship_by: Duration | None = None
    first_scan: Duration | None = None
    deliver_by: Duration | None = None
    inspection: Duration | None = None
    cancel_answer: Duration | None = None
    late_return: Duration | None = None
    max_hold: Duration | None = None


class FeeWishes(Body):
    """Taken from the seller's part at release."""

    fee_bp: BasisPoints = 0
    tax_bp: BasisPoints = 0
    tax_country: Annotated[str, Field(pattern=r"^([A-Z]{2})?$")] = ""
    freight: MinorOrZero = "0"
    cancel: MinorOrZero = "0"
    reserve_bp: BasisPoints = 0
    reserve_ms: Duration = 0


class AutomaticPayout(Body):
    """Pay out at once after a release."""

    provider: Name
    beneficiary: Hex32


class NewMerchant(Body):
    """Registration."""

    name: Annotated[str, Field(min_length=1, max_length=120, examples=["Alice's teahouse"])]


class NewContract(Body):
    """A contract as the seller wants it."""

    amount: Amount
    description: Text
    ship_to: Address
    carriers: Annotated[list[Name], Field(min_length=1, max_length=10, examples=[["dhl"]])]
    release: Literal["on_delivery", "on_delivery_plus_inspection"] = "on_delivery_plus_inspection"
    min_level: Annotated[int, Field(ge=1, le=4)] = 3
    tranches: Annotated[list[TranchePart], Field(max_length=TRANCHES_MAX)] = []
    clocks: ClockWishes = ClockWishes()
    fees: FeeWishes = FeeWishes()
    tolerance: MinorOrZero = "0"
    payout: AutomaticPayout | None = None

    def wish(self) -> Wish:
        """The same as a value of the core."""
        clocks = {name: value for name, value in self.clocks.model_dump().items() if value is not None}
        return Wish(
            amount=money(self.amount),
            description=self.description,
            ship_to=ShipTo(**self.ship_to.model_dump()),
            carriers=tuple(self.carriers),
            release=self.release,
            min_level=self.min_level,
            tranches=tuple(Tranche(each.id, each.minor, tuple(each.parcels)) for each in self.tranches),
            clocks=Clocks(**clocks),
            fees=Fees(**self.fees.model_dump()),
            tolerance=int(self.tolerance),
            payout=PayoutWish(self.payout.provider, self.payout.beneficiary) if self.payout else None,
        )


class Acceptance(Body):
    """The buyer names the terms that he was shown."""

    terms_hash: Hex32


class NewPayment(Body):
    """Where the buyer wants to pay."""

    provider: Name
    return_url: Annotated[
        str, Field(pattern=r"^(https?://[^\s]+)?$", max_length=TEXT_MAX), AfterValidator(storable)
    ] = ""


class NewParcel(Body):
    """A parcel that was handed to the carrier."""

    parcel: Name
    carrier: Name
    tracking_number: Annotated[str, Field(pattern=r"^[0-9A-Za-z -]{4,40}$", examples=["7777777770"])]


class Confirmation(Body):
    """The buyer has the goods; no tranche named means all."""

    tranches: Annotated[list[Name], Field(max_length=TRANCHES_MAX)] = []


class NewQuote(Body):
    """An amount that is free to pay out, and the currency wanted."""

    amount: Amount
    to: Currency


class NewBeneficiary(Body):
    """An account at a provider."""

    provider: Name
    account: Annotated[str, Field(min_length=1, max_length=128), AfterValidator(storable)]
    name: Annotated[str, Field(min_length=1, max_length=120), AfterValidator(storable)]


class NewPayout(Body):
    """How much to whom."""

    amount: Amount
    provider: Name
    beneficiary: Hex32


def money(amount: Amount) -> Money:
    """The amount in a currency that exists; a problem that says what to do otherwise."""
    try:
        return parse_minor(amount.minor, amount.currency)
    except MoneyRefused as error:
        wrong = FieldError("/body/amount", error.code, str(error))
        raise Problem(422, error.code, "The amount does not fit", str(error), [wrong]) from error
