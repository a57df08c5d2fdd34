"""The pages as HTML: templates of this package, with amounts and times for people."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from sandbox.application.looking import Overview
from sandbox.core.amounts import shown
from sandbox.core.parcels import NEXT, STATUSES
from sandbox.core.records import Payment

PACKAGE: Final = Path(__file__).resolve().parent.parent
POLICY: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Views:
    """Renders pages; works without JavaScript."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(PACKAGE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["money"] = shown
        self._templates.filters["moment"] = _moment

    def cashier(self, provider: str, payment: Payment, action: str) -> HTMLResponse:
        """The page where the buyer decides."""
        return self._page("cashier.html", provider=provider, payment=payment, action=action, problem="")

    def cashier_problem(self, problem: str, status: int) -> HTMLResponse:
        """The cashier says no."""
        return self._page("cashier.html", status, provider="", payment=None, action="", problem=problem)

    def dashboard(self, overview: Overview, notice: str) -> HTMLResponse:
        """Everything at a glance."""
        return self._page("dashboard.html", all=overview, notice=notice, next=NEXT, statuses=tuple(STATUSES))

    def _page(self, name: str, status: int = 200, **values: Any) -> HTMLResponse:
        return HTMLResponse(self._templates.get_template(name).render(**values), status, POLICY)


def _moment(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms // 1000, UTC).strftime("%d %b %H:%M:%S")
