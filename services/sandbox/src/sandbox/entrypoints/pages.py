"""The page for people: parcels with buttons, payments, payouts, refunds, books. Post, redirect, get."""

from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from starlette.responses import FileResponse, RedirectResponse, Response

from sandbox.application.carriers import Parcels
from sandbox.application.errors import SandboxRefused
from sandbox.application.looking import overview
from sandbox.application.mischief import misbehave
from sandbox.application.ports import Store
from sandbox.core.records import Mischief, Scan
from sandbox.entrypoints.forms import body_pairs, same_site_only
from sandbox.entrypoints.views import PACKAGE, Views

SEE_OTHER: Final = 303
NOTICE_MAX: Final = 200
WORD_MAX: Final = 100

Fields = dict[str, str]


async def _fields(request: Request) -> Fields:
    return {name: value.strip()[:WORD_MAX] for name, value in await body_pairs(request)}


def pages_router(store: Store, parcels: Parcels, views: Views) -> APIRouter:
    """The routes for people."""
    router = APIRouter(tags=["pages"], include_in_schema=False)
    form = [Depends(same_site_only)]

    @router.get("/", response_model=None)
    async def dashboard(notice: str = "") -> Response:
        return views.dashboard(await overview(store), notice[:NOTICE_MAX])

    @router.get("/static/style.css", response_model=None)
    async def style() -> Response:
        return FileResponse(PACKAGE / "static" / "style.css", media_type="text/css")

    @router.post("/parcels", dependencies=form, response_model=None)
    async def register(fields: Annotated[Fields, Depends(_fields)]) -> Response:
        try:
            made = await parcels.register(
                fields.get("carrier", ""),
                fields.get("tracking_number", ""),
                fields.get("country", ""),
                fields.get("postcode", ""),
            )
        except (SandboxRefused, ValueError) as refusal:
            return _home(str(refusal))
        return _home(f"{made.carrier} has the parcel {made.number}")

    @router.post("/parcels/{carrier}/{number}/move", dependencies=form, response_model=None)
    async def move(carrier: str, number: str, fields: Annotated[Fields, Depends(_fields)]) -> Response:
        status, signed_by = fields.get("status", ""), fields.get("signed_by", "")
        scan = Scan(carrier, number, status, 0, signed_by if status == "delivered" else "")
        try:
            await parcels.move(carrier, number, scan)
        except (SandboxRefused, ValueError) as refusal:
            return _home(str(refusal))
        return _home(f"Parcel {number}: {status.replace('_', ' ')}")

    @router.post("/behave", dependencies=form, response_model=None)
    async def behave() -> Response:
        await misbehave(store, Mischief(""))
        return _home("All providers behave again")

    return router


def _home(notice: str) -> Response:
    return RedirectResponse(f"/?{urlencode({'notice': notice[:NOTICE_MAX]})}", SEE_OTHER)
