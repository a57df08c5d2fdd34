"""Alice's pages: open a contract, send the link, book the parcel, watch."""

import secrets
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from contract_api.application.idempotent import ACCEPTED, Asked
from contract_api.entrypoints.errors import as_problem, in_words
from contract_api.entrypoints.forms import new_contract, new_parcel, wrong_fields
from contract_api.entrypoints.rendering import Pages, chosen_language
from contract_api.entrypoints.rest import UseCases
from contract_api.entrypoints.rest_contracts import SELLER_COMMANDS, proof_response
from contract_api.entrypoints.sessions import KEY_COOKIE, Sessions, see
from contract_api.entrypoints.showing import qr
from contract_api.entrypoints.texts import translate
from sps.runtime.errors import Refusal
from sps.runtime.problems import Problem

LISTED_MAX: Final = 50

FormText = Annotated[str, Form(max_length=500)]


def seller_pages(
    pages: Pages, sessions: Sessions, cases: UseCases, carriers: tuple[str, ...], wait_s: float
) -> APIRouter:
    """Everything below `/seller` but the money."""
    router = APIRouter(prefix="/seller", include_in_schema=False)
    _overview(router, pages, sessions, cases)
    _opening(router, pages, sessions, cases, carriers)
    _one(router, pages, sessions, cases, wait_s)
    _booking(router, sessions, cases)
    for command in SELLER_COMMANDS:
        _plain(router, command, sessions, cases)
    return router


def _overview(router: APIRouter, pages: Pages, sessions: Sessions, cases: UseCases) -> None:
    @router.get("")
    async def overview(request: Request) -> Response:
        who = await sessions.seller(request)
        response = pages.page(
            request,
            "seller.html",
            merchant=who.merchant,
            merchant_name=await cases.accounts.name_of(who.merchant),
            csrf=sessions.csrf(request),
            new_key=request.cookies.get(KEY_COOKIE, ""),
            balances=await cases.reader.balances(who),
            contracts=await cases.reader.contracts(who, None, LISTED_MAX),
        )
        response.delete_cookie(KEY_COOKIE)
        return response


def _opening(
    router: APIRouter, pages: Pages, sessions: Sessions, cases: UseCases, carriers: tuple[str, ...]
) -> None:
    def form_page(request: Request, merchant: str, form: dict[str, str], **more: Any) -> Response:
        """The form with what was written in it; a new key, since what follows is a new request."""
        key = secrets.token_hex(16)
        csrf = sessions.csrf(request)
        return pages.page(
            request, "new.html", merchant=merchant, csrf=csrf, key=key, form=form, carriers=carriers, **more
        )

    @router.get("/contracts/new")
    async def new(request: Request) -> Response:
        who = await sessions.seller(request)
        return form_page(request, who.merchant, {})

    @router.post("/contracts")
    async def create(request: Request, csrf: FormText = "", key: FormText = "") -> Response:
        sessions.check(request, csrf)
        who = await sessions.seller(request)
        form = {name: str(value).strip() for name, value in (await request.form()).items()}
        try:
            body = new_contract(form)
            asked = Asked(who, key, "POST", "/seller/contracts", body.model_dump())
            answer = await cases.contracts.create(asked, body.wish())
        except (Problem, Refusal) as error:
            problem = as_problem(error)
            text = in_words(request, problem)
            language = chosen_language(request)
            labels = ", ".join(translate(language, each) for each in wrong_fields(problem))
            notice = {"kind": "error", "text": f"{labels}: {text}" if labels else text}
            return form_page(request, who.merchant, form, status=problem.status_code, notice=notice)
        if answer.status == ACCEPTED:
            return see("/seller", answer)
        return see(f"/seller/contracts/{msgspec.json.decode(answer.body)['contract']}")


def _one(router: APIRouter, pages: Pages, sessions: Sessions, cases: UseCases, wait_s: float) -> None:
    @router.get("/contracts/{contract}")
    async def one(contract: str, request: Request) -> Response:
        who = await sessions.seller(request)
        view = await cases.reader.contract(who, contract)
        return pages.page(
            request,
            "contract.html",
            merchant=who.merchant,
            csrf=sessions.csrf(request),
            key=f"page-{contract}-{view['version']}",
            contract=view,
            events=await cases.reader.events(who, contract),
            qr=qr(view["buyer_link"]),
        )

    @router.get("/contracts/{contract}/proof")
    async def proof(contract: str, request: Request) -> Response:
        await cases.reader.contract(await sessions.seller(request), contract)
        return await proof_response(cases.prover, contract, wait_s)


def _booking(router: APIRouter, sessions: Sessions, cases: UseCases) -> None:
    @router.post("/contracts/{contract}/parcels")
    async def book(
        contract: str,
        request: Request,
        parcel: FormText,
        carrier: FormText,
        tracking_number: FormText,
        csrf: FormText = "",
        key: FormText = "",
    ) -> Response:
        sessions.check(request, csrf)
        who = await sessions.seller(request)
        await cases.reader.contract(who, contract)
        body = new_parcel(parcel, carrier, tracking_number.strip())
        # A corrected number is another request than the one that was refused.
        asked = Asked(who, f"{key}-{body.tracking_number}", "POST", request.url.path, body.model_dump())
        answer = await cases.shipping.book_parcel(
            asked, contract, body.parcel, body.carrier, body.tracking_number
        )
        return see(f"/seller/contracts/{contract}", answer)


def _plain(router: APIRouter, command: str, sessions: Sessions, cases: UseCases) -> None:
    async def run(contract: str, request: Request, csrf: FormText = "", key: FormText = "") -> Response:
        sessions.check(request, csrf)
        who = await sessions.seller(request)
        await cases.reader.contract(who, contract)
        asked = Asked(who, key, "POST", request.url.path, {})
        return see(f"/seller/contracts/{contract}", await cases.contracts.plain(asked, contract, command))

    router.add_api_route(f"/contracts/{{contract}}/{command}", run, methods=["POST"])
