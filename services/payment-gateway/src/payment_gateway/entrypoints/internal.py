"""`/internal/…`: what the other services of this installation ask of the payment gateway."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from payment_gateway.application.beneficiaries import Beneficiaries
from payment_gateway.application.pay_in import PayIn
from payment_gateway.application.register import PaymentRow
from payment_gateway.core.payment import Arrival
from payment_gateway.core.refusal import Refused
from sps.money import Money
from sps.runtime.http import responses
from sps.runtime.internal_auth import internal_only
from sps.runtime.problems import Problem

STATUS: Final = {"UNKNOWN_CONTRACT": 404, "UNKNOWN_PROVIDER": 422, "BAD_ACCOUNT": 422, "NAME_NEEDED": 422}
"""Refusals that are not a conflict (409)."""

ID_PATTERN: Final = r"^[a-z]{3}_[0-7][0-9a-hjkmnp-tv-z]{25}$"
HEIGHT_MAX: Final = 2**63 - 1
NAME_PATTERN: Final = r"^[a-z0-9][a-z0-9_.-]{0,39}$"


def storable(text: str) -> str:
    """No database keeps a NUL in its texts."""
    if "\0" in text:
        raise ValueError("leave out the character NUL")
    return text


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PaymentWish(_Input):
    """Send a buyer to a provider for what is still due. `height`: of the block where the caller saw it."""

    contract: Annotated[str, Field(pattern=ID_PATTERN)]
    height: Annotated[int, Field(ge=0, le=HEIGHT_MAX)]
    provider: Annotated[str, Field(pattern=NAME_PATTERN)]
    return_url: Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=1000), AfterValidator(storable)]


class PaymentOpened(BaseModel):
    """The pay page."""

    payment: str
    url: str


class BeneficiaryWish(_Input):
    """An account to be paid to; it is stored here and nowhere else."""

    provider: Annotated[str, Field(pattern=NAME_PATTERN)]
    account: Annotated[str, Field(min_length=1, max_length=128), AfterValidator(storable)]
    name: Annotated[str, Field(max_length=128), AfterValidator(storable)] = ""


class BeneficiaryKnown(BaseModel):
    """The commitment that names the account, in hex."""

    beneficiary: str


class Amount(BaseModel):
    """Minor units as digits."""

    currency: str
    minor: str


class ArrivalView(BaseModel):
    """Money that arrived."""

    reference: str
    amount: Amount


class PaymentView(BaseModel):
    """A payment as it is now; `amount` is what was asked for."""

    payment: str
    contract: str
    provider: str
    state: str
    amount: Amount
    url: str
    arrivals: list[ArrivalView]


def internal_router(pay_in: PayIn, beneficiaries: Beneficiaries, token: SecretStr) -> APIRouter:
    """The routes, all behind the internal token."""
    router = APIRouter(
        prefix="/internal", dependencies=[Depends(internal_only(token))], responses=responses(401, 404, 409)
    )

    @router.post("/payments", status_code=201)
    async def open_payment(wish: PaymentWish) -> PaymentOpened:
        try:
            row = await pay_in.open(wish.contract, wish.height, wish.provider, wish.return_url)
        except Refused as refusal:
            raise _problem(refusal) from refusal
        return PaymentOpened(payment=row.id, url=row.url)

    @router.get("/payments/{payment}")
    async def payment(payment: str) -> PaymentView:
        found = await pay_in.payment(payment)
        if found is None:
            raise Problem(404, "UNKNOWN_PAYMENT", "There is no such payment")
        return _view(*found)

    @router.post("/beneficiaries", status_code=201)
    async def register_beneficiary(wish: BeneficiaryWish) -> BeneficiaryKnown:
        try:
            committed = await beneficiaries.register(wish.provider, wish.account, wish.name)
        except Refused as refusal:
            raise _problem(refusal) from refusal
        return BeneficiaryKnown(beneficiary=committed)

    return router


def _problem(refusal: Refused) -> Problem:
    status = STATUS.get(refusal.code, 409)
    return Problem(status, refusal.code, "The payment gateway refuses this", refusal.message)


def _view(row: PaymentRow, arrivals: list[Arrival]) -> PaymentView:
    return PaymentView(
        payment=row.id,
        contract=row.contract,
        provider=row.provider,
        state=row.state,
        amount=_amount(row.amount),
        url=row.url,
        arrivals=[ArrivalView(reference=one.reference, amount=_amount(one.amount)) for one in arrivals],
    )


def _amount(money: Money) -> Amount:
    return Amount(currency=money.currency, minor=str(money.minor))
