"""`/alipay/gateway.do`, and the cashier's page behind it."""

from typing import Final
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from sandbox.application.alipay_gateway import PAGE_PAY, WAP_PAY, AlipayGateway
from sandbox.application.control import Cashier
from sandbox.application.errors import AnswerLost, SandboxRefused
from sandbox.application.world import World
from sandbox.core.alipay_words import china, with_signature
from sandbox.core.amounts import yuan
from sandbox.core.records import Payment
from sandbox.entrypoints.forms import body_pairs, pairs_of, same_site_only
from sandbox.entrypoints.views import Views
from sps.runtime.http import Problem

SEE_OTHER: Final = 303
GATEWAY_TIMEOUT: Final = 504


def alipay_router(world: World, gateway: AlipayGateway, cashier: Cashier, views: Views) -> APIRouter:
    """The routes of Alipay."""
    router = APIRouter(prefix="/alipay", tags=["alipay"])

    @router.api_route("/gateway.do", methods=["GET", "POST"], response_model=None)
    async def gateway_do(request: Request) -> Response:
        params = dict(pairs_of(request.url.query)) | dict(await body_pairs(request))
        if params.get("method") in {PAGE_PAY, WAP_PAY}:
            return await _page(gateway, views, params)
        try:
            answer = await gateway.call(params)
        except AnswerLost:
            return Response(status_code=GATEWAY_TIMEOUT)
        return Response(answer, media_type="text/html;charset=utf-8")

    @router.post("/cashier/{our_id}", dependencies=[Depends(same_site_only)], response_model=None)
    async def decide(our_id: str, request: Request) -> Response:
        trade = await cashier.trade(our_id)
        if trade is None:
            raise Problem(404, "NOT_FOUND", "There is no such trade")
        if dict(await body_pairs(request)).get("decision") != "pay":
            return _back(views, trade, "")
        try:
            trade = await cashier.pay_trade(our_id)
        except SandboxRefused as refusal:
            return views.cashier_problem(refusal.message, 409)
        return _back(views, trade, urlencode(_way_back(world, trade)))

    return router


async def _page(gateway: AlipayGateway, views: Views, params: dict[str, str]) -> HTMLResponse:
    try:
        trade = await gateway.page(params)
    except SandboxRefused as refusal:
        return views.cashier_problem(f"{refusal.code}: {refusal.message}", 400)
    return views.cashier("alipay", trade, f"/alipay/cashier/{trade.our_id}")


def _back(views: Views, trade: Payment, query: str) -> Response:
    place = urlsplit(trade.return_url)
    if place.scheme not in {"http", "https"}:
        return views.cashier("alipay", trade, f"/alipay/cashier/{trade.our_id}")
    joined = "&".join(filter(None, (place.query, query)))
    return RedirectResponse(place._replace(query=joined).geturl(), SEE_OTHER)


def _way_back(world: World, trade: Payment) -> dict[str, str]:
    """The signed parameters that the buyer carries back. They are no evidence of payment."""
    fields = {
        "app_id": world.alipay.app_id,
        "charset": "utf-8",
        "method": "alipay.trade.page.pay.return",
        "out_trade_no": trade.our_id,
        "seller_id": world.alipay.seller_id,
        "sign_type": "RSA2",
        "timestamp": china(world.now_ms()),
        "total_amount": yuan(trade.received_minor),
        "trade_no": trade.reference,
        "version": "1.0",
    }
    return with_signature(fields, world.alipay.key)
