"""The entrance: what this is, becoming a merchant, coming back with a key, leaving."""

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from contract_api.entrypoints.rendering import Pages
from contract_api.entrypoints.rest import UseCases
from contract_api.entrypoints.sessions import Sessions, see
from sps.runtime.problems import Problem

FormText = Annotated[str, Form(max_length=500)]


def start_pages(pages: Pages, sessions: Sessions, cases: UseCases, *, open_registration: bool) -> APIRouter:
    """The start page and what its forms do."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def start(request: Request) -> Response:
        who = await sessions.visitor(request)
        merchant = who.merchant if who is not None else ""
        return pages.page(request, "start.html", merchant=merchant, open_registration=open_registration)

    @router.post("/register")
    async def register(name: FormText) -> Response:
        merchant, key = await cases.accounts.register(name)
        response = see("/seller")
        await sessions.enter(merchant, response)
        sessions.show_once(key, response)
        return response

    @router.post("/enter")
    async def enter(api_key: FormText) -> Response:
        who = await cases.accounts.recognise(api_key.strip())
        if who is None or not who.merchant:
            raise Problem(401, "UNAUTHORIZED", "No valid key", "check the key; it begins with spsk_")
        response = see("/seller")
        await sessions.enter(who.merchant, response)
        return response

    @router.post("/leave")
    async def leave(request: Request, csrf: FormText = "") -> Response:
        sessions.check(request, csrf)
        response = see("/")
        await sessions.leave(request, response)
        return response

    return router
