"""`/dhl/…` and `/easypost/…`: the carriers' interfaces."""

import base64
import binascii
import hmac
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, PlainTextResponse, Response

from sandbox.application.carriers import Dhl, EasyPost
from sandbox.core.parcels import dhl_problem
from sandbox.core.records import Subscription

CREATED: Final = 201
NO_CONTENT: Final = 204
UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
UNPROCESSABLE: Final = 422
PUSH: Final = "/tracking/push/v1"

ApiKey = Annotated[str, Header(alias="DHL-API-Key")]
Text = Annotated[str, Field(min_length=1, max_length=2_000)]


class Authentication(BaseModel):
    """How the subscriber wants to recognise the pushes."""

    type: str
    header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]
    token: Annotated[str, Field(pattern=r"^[!-~]{1,512}$")]


class Hook(BaseModel):
    """Where the pushes go."""

    uri: Annotated[str, Field(pattern=r"^https?://", max_length=2_000)]
    authentication: Authentication


class SubscriptionWish(BaseModel):
    """`POST /subscription`."""

    model_config = ConfigDict(extra="ignore")

    hook: Hook
    type: str
    shipmentIDs: Annotated[list[Text], Field(min_length=1, max_length=10)]  # noqa: N815 DHL's name


class TrackerWish(BaseModel):
    """What to track."""

    tracking_code: Text


class TrackerRequest(BaseModel):
    """`POST /v2/trackers`."""

    tracker: TrackerWish


def dhl_router(dhl: Dhl, key: str) -> APIRouter:
    """Pull, push subscriptions, proofs of delivery."""
    router = APIRouter(prefix="/dhl", tags=["dhl"])
    _track_routes(router, dhl, key)
    _subscribe_routes(router, dhl, key)
    _subscription_routes(router, dhl, key)
    return router


def _track_routes(router: APIRouter, dhl: Dhl, key: str) -> None:
    @router.get("/track/shipments", response_model=None)
    async def track(number: Annotated[str, Query(alias="trackingNumber")], given: ApiKey = "") -> Response:
        if not _same(given, key):
            return _problem(UNAUTHORIZED, "Unauthorized", "the API key is not known")
        answer = await dhl.pull(number)
        if answer is None:
            return _problem(
                NOT_FOUND, "No result found", f"No shipment with given tracking number {number} found."
            )
        return JSONResponse(answer)

    @router.get("/track/proof-of-delivery/{number}", response_model=None)
    async def proof(number: str) -> Response:
        text = await dhl.proof(number)
        if text is None:
            return _problem(NOT_FOUND, "No data found", "nobody has signed for this shipment")
        return PlainTextResponse(text)


def _subscribe_routes(router: APIRouter, dhl: Dhl, key: str) -> None:
    @router.post(PUSH + "/subscription", status_code=CREATED, response_model=None)
    async def subscribe(wish: SubscriptionWish, given: ApiKey = "") -> Response:
        if not _same(given, key):
            return _problem(UNAUTHORIZED, "Unauthorized", "the API key is not known")
        told = wish.hook.authentication
        made = await dhl.subscribe(wish.hook.uri, told.header, told.token, wish.shipmentIDs)
        return JSONResponse(_shown(dhl, made), CREATED)

    @router.post(PUSH + "/subscription/{reference}", response_model=None)
    async def activate(
        reference: str, given: ApiKey = "", secret: Annotated[str, Header(alias="DHL-API-Hook-Secret")] = ""
    ) -> Response:
        if not _same(given, key) or not await dhl.activate(reference, secret):
            return _problem(FORBIDDEN, "Forbidden", "the key or the secret of the handshake is wrong")
        return Response(status_code=NO_CONTENT)


def _subscription_routes(router: APIRouter, dhl: Dhl, key: str) -> None:
    @router.get(PUSH + "/subscription/{reference}", response_model=None)
    async def find(reference: str, given: ApiKey = "") -> Response:
        found = await dhl.find(reference) if _same(given, key) else None
        if found is None:
            return _problem(NOT_FOUND, "Not found", "there is no such subscription")
        return JSONResponse(_shown(dhl, found))

    @router.get(PUSH + "/subscriptions", response_model=None)
    async def all_of_them(given: ApiKey = "") -> Response:
        if not _same(given, key):
            return _problem(UNAUTHORIZED, "Unauthorized", "the API key is not known")
        return JSONResponse({"subscriptions": [_shown(dhl, each) for each in await dhl.all()]})

    @router.delete(PUSH + "/subscription/{reference}", response_model=None)
    async def delete(reference: str, given: ApiKey = "") -> Response:
        if not _same(given, key) or not await dhl.delete(reference):
            return _problem(NOT_FOUND, "Not found", "there is no such subscription")
        return Response(status_code=NO_CONTENT)


def easypost_router(easypost: EasyPost, key: str) -> APIRouter:
    """Trackers; the API key is the user's name of Basic authentication."""
    router = APIRouter(prefix="/easypost/v2", tags=["easypost"])

    @router.post("/trackers", response_model=None)
    async def track(wish: TrackerRequest, request: Request) -> Response:
        if not _basic(request, key):
            return _error(UNAUTHORIZED, "APIKEY.INVALID", "the API key is not known")
        try:
            return JSONResponse(await easypost.track(wish.tracker.tracking_code), CREATED)
        except ValueError as error:
            return _error(UNPROCESSABLE, "TRACKER.CREATE.ERROR", str(error))

    @router.get("/trackers/{reference}", response_model=None)
    async def read(reference: str, request: Request) -> Response:
        if not _basic(request, key):
            return _error(UNAUTHORIZED, "APIKEY.INVALID", "the API key is not known")
        found = await easypost.tracker(reference)
        if found is None:
            return _error(NOT_FOUND, "NOT_FOUND", "The requested resource could not be found.")
        return JSONResponse(found)

    return router


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def _basic(request: Request, key: str) -> bool:
    kind, _, credentials = request.headers.get("authorization", "").partition(" ")
    try:
        user = base64.b64decode(credentials, validate=True).partition(b":")[0]
    except binascii.Error:
        return False
    return kind.lower() == "basic" and hmac.compare_digest(user, key.encode())


def _shown(dhl: Dhl, made: Subscription) -> dict[str, object]:
    return {
        "id": made.reference,
        "self": dhl.address(made),
        "state": made.state,
        "type": "Shipment",
        "format": "Default",
        "shipmentIDs": [made.number],
        "hook": {"uri": made.uri},
    }


def _problem(status: int, title: str, detail: str) -> Response:
    return JSONResponse(dhl_problem(status, title, detail), status, media_type="application/problem+json")


def _error(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message, "errors": []}}, status)
