"""`/stripe/v1/…` with a bearer key, and the page where the buyer pays."""

import hmac
from typing import Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from sandbox.application.control import Cashier
from sandbox.application.errors import AnswerLost, SandboxRefused
from sandbox.application.stripe_api import Reply, StripeApi
from sandbox.application.world import World
from sandbox.entrypoints.forms import body_pairs, pairs_of, same_site_only
from sandbox.entrypoints.views import Views
from sps.runtime.http import Problem

UNAUTHORIZED: Final = 401
SEE_OTHER: Final = 303
GATEWAY_TIMEOUT: Final = 504
PREFIX: Final = "Bearer "


def stripe_router(world: World, api: StripeApi, cashier: Cashier, views: Views) -> APIRouter:
    """The routes of the Stripe-like provider."""
    router = APIRouter(prefix="/stripe", tags=["stripe"])
    _api_routes(router, world, api)
    _page_routes(router, cashier, views)
    return router


def _api_routes(router: APIRouter, world: World, api: StripeApi) -> None:
    @router.post("/v1/{path:path}", response_model=None)
    async def change(path: str, request: Request) -> Response:
        if not _known(request, world.stripe.secret_key):
            return _stranger()
        key = request.headers.get("idempotency-key", "")
        try:
            return _answer(await api.post(path, await body_pairs(request), key))
        except AnswerLost:
            return Response(status_code=GATEWAY_TIMEOUT)

    @router.get("/v1/{path:path}", response_model=None)
    async def read(path: str, request: Request) -> Response:
        if not _known(request, world.stripe.secret_key):
            return _stranger()
        return _answer(await api.get(path, pairs_of(request.url.query)))


def _page_routes(router: APIRouter, cashier: Cashier, views: Views) -> None:
    @router.get("/pay/{session}", response_model=None)
    async def page(session: str) -> Response:
        found = await cashier.session(session)
        if found is None:
            return views.cashier_problem("There is no such checkout.", 404)
        return views.cashier("stripe", found, f"/stripe/pay/{session}")

    @router.post("/pay/{session}", dependencies=[Depends(same_site_only)], response_model=None)
    async def decide(session: str, request: Request) -> Response:
        found = await cashier.session(session)
        if found is None:
            raise Problem(404, "NOT_FOUND", "There is no such checkout")
        if dict(await body_pairs(request)).get("decision") != "pay":
            return _back(str(found.facts.get("cancel_url")), session)
        try:
            await cashier.pay_session(session)
        except SandboxRefused as refusal:
            return views.cashier_problem(refusal.message, 409)
        return _back(found.return_url, session)


def _known(request: Request, secret_key: str) -> bool:
    given = request.headers.get("authorization", "")
    return hmac.compare_digest(given.encode(), (PREFIX + secret_key).encode())


def _stranger() -> Response:
    error = {"type": "invalid_request_error", "code": "", "message": "Invalid API Key provided"}
    return JSONResponse({"error": error}, UNAUTHORIZED)


def _answer(reply: Reply) -> Response:
    return Response(reply.body, reply.status, media_type="application/json")


def _back(url: str, session: str) -> Response:
    if urlsplit(url).scheme not in {"http", "https"}:
        raise Problem(409, "NO_WAY_BACK", "The merchant gave no address to go back to")
    return RedirectResponse(url.replace("{CHECKOUT_SESSION_ID}", session), SEE_OTHER)
