"""REST: what is the seller's, rates, payouts, the destinations of payouts."""

from typing import Any

from fastapi import APIRouter, Request, Response

from contract_api.application.money import SellerMoney
from contract_api.application.reading import Reader
from contract_api.entrypoints.access import Access, Key, Secret, asked, sent
from contract_api.entrypoints.models import NewBeneficiary, NewPayout, NewQuote, money
from contract_api.entrypoints.operations import operation
from contract_api.entrypoints.schemas_money import (
    BalanceList,
    Beneficiary,
    BeneficiaryList,
    Payout,
    PayoutList,
    Quote,
)


def money_router(access: Access, seller_money: SellerMoney, reader: Reader) -> APIRouter:
    """All routes about released money."""
    router = APIRouter(prefix="/v1")
    _converting(router, access, seller_money, reader)
    _cashing_out(router, access, seller_money, reader)
    return router


def _converting(router: APIRouter, access: Access, seller_money: SellerMoney, reader: Reader) -> None:
    @router.get("/balances", **operation("list_balances", "List balances", "money", BalanceList, 401, 403))
    async def balances(secret: Secret) -> dict[str, Any]:
        """Per currency: free to pay out, on its way, in reserve."""
        return {"data": await reader.balances(await access.merchant(secret))}

    @router.post(
        "/quotes",
        **operation("create_quote", "Ask for a rate", "money", Quote, 401, 403, 409, status=201, waits=True),
    )
    async def quote(body: NewQuote, request: Request, key: Key, secret: Secret) -> Response:
        """Ask for a rate; it is locked on the chain for a short time, spread shown."""
        wanted = asked(await access.merchant(secret), key, request, body.model_dump())
        return sent(await seller_money.request_quote(wanted, money(body.amount), body.to))

    @router.get("/quotes/{quote}", **operation("get_quote", "Get a quote", "money", Quote, 401, 403, 404))
    async def one_quote(quote: str, secret: Secret) -> dict[str, Any]:
        """The rate and what it gives; what is null is known once it is locked."""
        return await reader.quote(await access.merchant(secret), quote)

    @router.post(
        "/quotes/{quote}/acceptance",
        **operation(
            "accept_quote", "Convert at the quoted rate", "money", Quote, 401, 403, 404, 409, waits=True
        ),
    )
    async def convert(quote: str, request: Request, key: Key, secret: Secret) -> Response:
        """Convert exactly the quoted amount, once."""
        wanted = asked(await access.merchant(secret), key, request, {})
        return sent(await seller_money.accept_quote(wanted, quote))


def _cashing_out(router: APIRouter, access: Access, seller_money: SellerMoney, reader: Reader) -> None:
    @router.post(
        "/beneficiaries",
        **operation(
            "create_beneficiary", "Register an account", "money", Beneficiary, 401, 403, 409, status=201
        ),
    )
    async def beneficiary(body: NewBeneficiary, request: Request, key: Key, secret: Secret) -> Response:
        """Register an account to cash out to; the chain only ever sees a commitment to it."""
        wanted = asked(await access.merchant(secret), key, request, body.model_dump())
        return sent(await seller_money.register_beneficiary(wanted, body.provider, body.account, body.name))

    @router.get(
        "/beneficiaries",
        **operation("list_beneficiaries", "List accounts", "money", BeneficiaryList, 401, 403),
    )
    async def beneficiaries(secret: Secret) -> dict[str, Any]:
        """The registered accounts."""
        return {"data": await reader.beneficiaries(await access.merchant(secret))}

    @router.post(
        "/payouts",
        **operation("create_payout", "Cash out", "money", Payout, 401, 403, 409, status=201, waits=True),
    )
    async def payout(body: NewPayout, request: Request, key: Key, secret: Secret) -> Response:
        """Orders a payout to a registered account: one order for ever; the same key is the same order."""
        wanted = asked(await access.merchant(secret), key, request, body.model_dump())
        amount = money(body.amount)
        return sent(await seller_money.request_payout(wanted, amount, body.provider, body.beneficiary))

    @router.get("/payouts", **operation("list_payouts", "List payouts", "money", PayoutList, 401, 403))
    async def payouts(secret: Secret) -> dict[str, Any]:
        """The merchant's payouts, newest first."""
        return {"data": await reader.payouts(await access.merchant(secret))}

    @router.get(
        "/payouts/{payout}", **operation("get_payout", "Get a payout", "money", Payout, 401, 403, 404)
    )
    async def one_payout(payout: str, secret: Secret) -> dict[str, Any]:
        """Where one payout is."""
        return await reader.payout(await access.merchant(secret), payout)
