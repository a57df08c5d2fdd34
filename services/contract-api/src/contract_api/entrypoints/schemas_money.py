"""What the REST API answers about released money, for the documentation."""

from pydantic import Field

from contract_api.entrypoints.schemas import Currency, Hash, Id, Minor, Money, Time, View
from sps.escrow.state import PayoutState, QuoteState


class Balance(View):
    """What is the merchant's in one currency, in minor units."""

    currency: Currency
    payable: Minor
    in_transit: Minor
    reserve: Minor


class BalanceList(View):
    """One line per currency."""

    data: list[Balance]


class Ratio(View):
    """Exactly num/den units of the target for one unit of the source, both in major units."""

    num: str
    den: str


class Quote(View):
    """A rate for exactly `amount`; what is null is known once the rate is locked."""

    quote: Id
    state: QuoteState
    amount: Money
    to: Currency
    rate: Ratio | None
    spread_bp: int | None
    spread: Money | None
    out: Money | None
    document: Hash | None = Field(description="SHA-256 of the published rates that it was computed from.")
    expires_at: Time | None


class Beneficiary(View):
    """A commitment to an account; the account itself stays with the payment gateway."""

    beneficiary: Hash
    provider: str
    account_hint: str


class BeneficiaryList(View):
    """The registered accounts."""

    data: list[Beneficiary]


class Payout(View):
    """One order for ever; `reference` is the provider's once it paid."""

    payout: Id
    state: PayoutState
    amount: Money
    provider: str
    beneficiary: Hash
    contract: Id | None
    reference: str | None
    reason: str | None


class PayoutList(View):
    """Newest first."""

    data: list[Payout]
