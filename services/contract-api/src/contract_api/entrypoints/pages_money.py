"""Alice's money: convert at a shown rate, cash out to an account."""

import secrets
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from contract_api.application.idempotent import ACCEPTED, Asked
from contract_api.application.ports import Principal
from contract_api.entrypoints.errors import as_problem, in_words
from contract_api.entrypoints.forms import typed_amount
from contract_api.entrypoints.rendering import Pages
from contract_api.entrypoints.rest import UseCases
from contract_api.entrypoints.sessions import Sessions, see
from sps.money import Money, format_major
from sps.runtime.errors import Refusal
from sps.runtime.problems import Problem

FormText = Annotated[str, Form(max_length=200)]
PAGE = "/seller/money"


class MoneyPage:
    """The page with what was written into its forms."""

    def __init__(self, pages: Pages, sessions: Sessions, cases: UseCases, providers: tuple[str, ...]) -> None:
        self._pages = pages
        self._sessions = sessions
        self._cases = cases
        self._providers = providers

    async def show(self, request: Request, quote: dict[str, Any] | None = None, **more: Any) -> Response:
        """The page for the seller of this session."""
        who = await self._sessions.seller(request)
        balances = await self._cases.reader.balances(who)
        context: dict[str, Any] = {
            "merchant": who.merchant,
            "csrf": self._sessions.csrf(request),
            "key": secrets.token_hex(16),
            "balances": balances,
            "first": _first(balances),
            "payouts": await self._cases.reader.payouts(who),
            "accounts": await self._cases.reader.beneficiaries(who),
            "providers": self._providers,
            "quote": quote,
            "form": {},
        }
        return self._pages.page(request, "money.html", **(context | more))

    async def sorry(self, request: Request, error: Exception) -> Response:
        """The page again with what does not fit, and with what was written."""
        problem = as_problem(error)
        notice = {"kind": "error", "text": in_words(request, problem)}
        form = {name: str(value) for name, value in (await request.form()).items()}
        return await self.show(request, status=problem.status_code, notice=notice, form=form)


def money_pages(pages: Pages, sessions: Sessions, cases: UseCases, providers: tuple[str, ...]) -> APIRouter:
    """Everything below `/seller/money`."""
    router = APIRouter(prefix=PAGE, include_in_schema=False)
    page = MoneyPage(pages, sessions, cases, providers)
    _converting(router, page, sessions, cases)
    _cashing_out(router, page, sessions, cases)
    return router


def _converting(router: APIRouter, page: MoneyPage, sessions: Sessions, cases: UseCases) -> None:
    @router.get("")
    async def overview(request: Request) -> Response:
        return await page.show(request)

    @router.get("/quotes/{quote}")
    async def one(quote: str, request: Request) -> Response:
        return await page.show(request, await cases.reader.quote(await sessions.seller(request), quote))

    @router.post("/quotes")
    async def ask(
        request: Request,
        amount: FormText,
        currency: FormText,
        to: FormText,
        csrf: FormText = "",
        key: FormText = "",
    ) -> Response:
        sessions.check(request, csrf)
        asked = Asked(await sessions.seller(request), key, "POST", f"{PAGE}/quotes", [amount, currency, to])
        try:
            answer = await cases.money.request_quote(asked, typed_amount(amount, currency), to)
        except (Problem, Refusal) as error:
            return await page.sorry(request, error)
        if answer.status == ACCEPTED:
            return see(PAGE, answer)
        return see(f"{PAGE}/quotes/{msgspec.json.decode(answer.body)['quote']}")

    @router.post("/quotes/{quote}")
    async def convert(quote: str, request: Request, csrf: FormText = "", key: FormText = "") -> Response:
        sessions.check(request, csrf)
        who = await sessions.seller(request)
        answer = await cases.money.accept_quote(Asked(who, key, "POST", request.url.path, {}), quote)
        return see(f"{PAGE}/quotes/{quote}", answer)


def _cashing_out(router: APIRouter, page: MoneyPage, sessions: Sessions, cases: UseCases) -> None:
    @router.post("/payouts")
    async def cash_out(
        request: Request,
        amount: FormText,
        currency: FormText,
        to: FormText = "",
        provider: FormText = "",
        account: FormText = "",
        name: FormText = "",
        csrf: FormText = "",
        key: FormText = "",
    ) -> Response:
        sessions.check(request, csrf)
        who = await sessions.seller(request)
        try:
            wanted = typed_amount(amount, currency)
            if not to:
                to = await _registered(cases, who, key, (provider, account.strip(), name.strip()))
            chosen, _, beneficiary = to.partition("|")
            asked = Asked(who, key, "POST", f"{PAGE}/payouts", [amount, currency, to])
            answer = await cases.money.request_payout(asked, wanted, chosen, beneficiary)
        except (Problem, Refusal) as error:
            return await page.sorry(request, error)
        return see(PAGE, answer)


async def _registered(cases: UseCases, who: Principal, key: str, account: tuple[str, str, str]) -> str:
    """Register a new account; `provider|commitment`."""
    provider, number, name = account
    if not number or not name:
        raise Problem(422, "BAD_ACCOUNT", "The account does not fit", "fill in the account and its holder")
    asked = Asked(who, f"{key}-to", "POST", f"{PAGE}/beneficiaries", list(account))
    answer = await cases.money.register_beneficiary(asked, provider, number, name)
    return f"{provider}|{msgspec.json.decode(answer.body)['beneficiary']}"


def _first(balances: list[dict[str, str]]) -> dict[str, str]:
    """The first balance as a suggestion for the forms."""
    for line in balances:
        if line["payable"] != "0":
            amount = format_major(Money(int(line["payable"]), line["currency"]))
            return {"amount": amount, "currency": line["currency"]}
    return {"amount": "", "currency": ""}
