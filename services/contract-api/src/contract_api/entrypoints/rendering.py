"""Templates: the page in the visitor's language, with headers that let nothing foreign in."""

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse

from contract_api.entrypoints import showing
from contract_api.entrypoints.texts import LANGUAGES, explained, language_of, told, translate

HERE: Final = Path(__file__).parent.parent
LANGUAGE_COOKIE: Final = "sps_language"
YEAR_S: Final = 365 * 86_400
POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self' {pay}; frame-ancestors 'none'; base-uri 'none'"
)
SLOW: Final = "This takes longer than usual. Nothing is lost: it appears here as soon as it is final."


class Pages:
    """Renders a template for a request."""

    def __init__(self, pay_origins: tuple[str, ...]) -> None:
        self._environment = environment()
        self._policy = POLICY.format(pay=" ".join(pay_origins))

    def page(self, request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
        """The page, and the language remembered when it was chosen."""
        language = chosen_language(request)
        html = self._environment.get_template(template).render(_words(request, language) | context)
        headers = {
            "content-security-policy": self._policy,
            "referrer-policy": "same-origin",
            "cache-control": "no-store",
            "vary": "accept-language, cookie",
        }
        response = HTMLResponse(html, status, headers)
        if request.query_params.get("lang") in LANGUAGES:
            response.set_cookie(LANGUAGE_COOKIE, language, max_age=YEAR_S, httponly=True, samesite="lax")
        return response


def environment() -> jinja2.Environment:
    """The templates with their filters; an unknown name in a template is an error, never an empty place."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "money": showing.show_money,
        "moment": showing.show_moment,
        "rate": showing.show_rate,
        "print": showing.fingerprint,
        "account": showing.show_account,
        "brand": showing.show_brand,
    }
    return made


def chosen_language(request: Request) -> str:
    """By the link, by the cookie, by the browser."""
    return language_of(
        request.query_params.get("lang", ""),
        request.cookies.get(LANGUAGE_COOKIE, ""),
        request.headers.get("accept-language", ""),
    )


def _words(request: Request, language: str) -> dict[str, Any]:
    other = next(each for each in LANGUAGES if each != language)
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "lang"]
    here = f"?{urlencode([*query, ('lang', other)])}" if request.method == "GET" else f"/?lang={other}"
    slow = "wait" in request.query_params
    return {
        "told": lambda summary: told(language, summary),
        "explained": lambda code, message: explained(language, code, message),
        "duration": lambda milliseconds: showing.show_duration(language, milliseconds),
        "_": lambda text: translate(language, text),
        "lang": "zh-Hans" if language == "zh" else "en",
        "other_lang": "zh-Hans" if other == "zh" else "en",
        "other_name": LANGUAGES[other],
        "other_href": here,
        "merchant": "",
        "csrf": "",
        "notice": {"kind": "", "text": translate(language, SLOW)} if slow else None,
    }
