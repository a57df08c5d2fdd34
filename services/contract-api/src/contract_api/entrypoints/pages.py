"""All pages in one place: Alice's, Bob's, the list of problems, and what they are made of."""

from typing import Final

from fastapi import APIRouter, FastAPI
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from contract_api.entrypoints.errors import install_refusals
from contract_api.entrypoints.pages_buyer import buyer_pages
from contract_api.entrypoints.pages_money import money_pages
from contract_api.entrypoints.pages_seller import seller_pages
from contract_api.entrypoints.pages_start import start_pages
from contract_api.entrypoints.problem_codes import API, GATEWAYS, HTTP
from contract_api.entrypoints.rendering import HERE, Pages
from contract_api.entrypoints.rest import UseCases
from contract_api.entrypoints.sessions import Sessions
from sps.escrow.refusals import REFUSALS

GROUPS: Final = (
    ("The request", HTTP),
    ("This service", API),
    ("Carriers and payment providers", GATEWAYS),
    ("The contract", REFUSALS),
)


class Look(Struct, frozen=True):
    """What the pages offer in this installation."""

    pay_origins: tuple[str, ...]
    providers: tuple[str, ...]
    carriers: tuple[str, ...]
    open_registration: bool
    secure: bool
    wait_s: float


def install_pages(app: FastAPI, cases: UseCases, look: Look) -> None:
    """Add every page, and the page that a refusal is."""
    pages = Pages(look.pay_origins)
    sessions = Sessions(cases.accounts, secure=look.secure)
    install_refusals(app, pages)
    app.include_router(start_pages(pages, sessions, cases, open_registration=look.open_registration))
    app.include_router(seller_pages(pages, sessions, cases, look.carriers, look.wait_s))
    app.include_router(money_pages(pages, sessions, cases, look.providers))
    app.include_router(buyer_pages(pages, cases, look.providers, look.wait_s))
    app.include_router(_documentation(pages))
    app.mount("/static", StaticFiles(directory=HERE / "static"))


def _documentation(pages: Pages) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/docs/problems")
    async def problems(request: Request) -> Response:
        """Where the `type` of every problem document leads."""
        return pages.page(request, "problems.html", groups=GROUPS)

    return router
