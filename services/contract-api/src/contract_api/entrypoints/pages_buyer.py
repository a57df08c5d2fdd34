"""Bob's pages: one link on a phone, no account. The token in the link is his right to this one contract."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Form, Query
from starlette.requests import Request
from starlette.responses import Response

from contract_api.application.contracts import Contracts
from contract_api.application.idempotent import Asked
from contract_api.application.ports import Principal
from contract_api.entrypoints.rendering import Pages
from contract_api.entrypoints.rest import UseCases
from contract_api.entrypoints.rest_contracts import BUYER_COMMANDS, proof_response
from contract_api.entrypoints.sessions import see
from sps.runtime.problems import Problem

TOKEN_MAX: Final = 64
OURS: Final = frozenset({"t", "lang", "back", "wait"})
"""Parameters of the page; a provider that sends the buyer back adds its own, which say nothing certain."""

FormText = Annotated[str, Form(max_length=200)]
Token = Annotated[str, Query(max_length=TOKEN_MAX)]
Recognise = Callable[[str, str], Awaitable[Principal]]


def buyer_pages(pages: Pages, cases: UseCases, providers: tuple[str, ...], wait_s: float) -> APIRouter:
    """Everything below `/c`."""
    router = APIRouter(prefix="/c", include_in_schema=False)

    async def buyer(contract: str, token: str) -> Principal:
        who = await cases.accounts.recognise(token)
        if who is None or who.contract != contract:
            raise Problem(
                404, "LINK_BAD", "This link does not open a contract", "ask the seller for the link again"
            )
        return who

    @router.get("/{contract}")
    async def deal(contract: str, request: Request, t: Token = "", back: str = "") -> Response:
        who = await buyer(contract, t)
        if set(request.query_params) - OURS:
            return see(f"{_page(contract, t)}&back=1")
        view = await cases.reader.contract(who, contract)
        return pages.page(
            request,
            "deal.html",
            contract=view,
            events=await cases.reader.events(who, contract),
            seller_name=await cases.accounts.name_of(view["seller"]),
            token=t,
            back=bool(back),
            key=f"page-{contract}-{view['version']}",
            providers=providers,
        )

    @router.get("/{contract}/proof")
    async def proof(contract: str, t: Token = "") -> Response:
        await buyer(contract, t)
        return await proof_response(cases.prover, contract, wait_s)

    @router.post("/{contract}/payments")
    async def pay(
        contract: str, t: FormText, provider: FormText, request: Request, key: FormText = ""
    ) -> Response:
        who = await buyer(contract, t)
        back = str(request.base_url.replace(path=f"/c/{contract}", query=f"t={t}&back=1"))
        asked = Asked(who, key, "POST", "/payments", {"provider": provider})
        answer = await cases.shipping.open_payment(asked, contract, provider, back)
        return see(str(msgspec.json.decode(answer.body)["url"]))

    _commands(router, buyer, cases.contracts)
    return router


def _page(contract: str, token: str) -> str:
    return f"/c/{contract}?t={token}"


def _commands(router: APIRouter, buyer: Recognise, contracts: Contracts) -> None:
    @router.post("/{contract}/acceptance")
    async def accept(contract: str, t: FormText, terms_hash: FormText, key: FormText = "") -> Response:
        who = await buyer(contract, t)
        asked = Asked(who, key, "POST", "/acceptance", {"terms_hash": terms_hash})
        return see(_page(contract, t), await contracts.accept(asked, contract, terms_hash))

    @router.post("/{contract}/confirmation")
    async def confirm(contract: str, t: FormText, key: FormText = "") -> Response:
        who = await buyer(contract, t)
        asked = Asked(who, key, "POST", "/confirmation", {})
        return see(_page(contract, t), await contracts.confirm(asked, contract, ()))

    for command in BUYER_COMMANDS:
        _plain(router, command, buyer, contracts)


def _plain(router: APIRouter, command: str, buyer: Recognise, contracts: Contracts) -> None:
    async def run(contract: str, t: FormText, key: FormText = "") -> Response:
        who = await buyer(contract, t)
        asked = Asked(who, key, "POST", f"/{command}", {})
        return see(_page(contract, t), await contracts.plain(asked, contract, command))

    router.add_api_route(f"/{{contract}}/{command}", run, methods=["POST"])
