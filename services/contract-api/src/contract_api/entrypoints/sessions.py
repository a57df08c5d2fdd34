"""The seller's session in a cookie, and the token against forged forms.

The buyer needs neither: his link is his right.
"""

import hmac
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from contract_api.application.accounts import SESSION_MS, Accounts
from contract_api.application.idempotent import ACCEPTED, Answer
from contract_api.application.ports import Principal
from sps.runtime.problems import Problem

COOKIE: Final = "sps_session"
KEY_COOKIE: Final = "sps_new_key"
KEY_SHOWN_S: Final = 60
SEE_OTHER: Final = 303


class Sessions:
    """Recognises sellers on pages."""

    def __init__(self, accounts: Accounts, *, secure: bool) -> None:
        self._accounts = accounts
        self._secure = secure

    async def visitor(self, request: Request) -> Principal | None:
        """The seller of this session, or nobody."""
        who = await self._accounts.recognise(request.cookies.get(COOKIE, ""))
        return who if who is not None and who.merchant else None

    async def seller(self, request: Request) -> Principal:
        """The seller of this session; 401 when there is none."""
        who = await self.visitor(request)
        if who is None:
            raise Problem(
                401, "NO_SESSION", "Please enter first", "go to the start page and enter with your key"
            )
        return who

    async def enter(self, merchant: str, response: Response) -> None:
        """Open a new session in this response."""
        secret = await self._accounts.open_session(merchant)
        self._set(response, COOKIE, secret, SESSION_MS // 1000)

    async def leave(self, request: Request, response: Response) -> None:
        """End the session."""
        await self._accounts.close_session(request.cookies.get(COOKIE, ""))
        response.delete_cookie(COOKIE)

    def show_once(self, key: str, response: Response) -> None:
        """Carry a new API key to the next page, which shows it and forgets it."""
        self._set(response, KEY_COOKIE, key, KEY_SHOWN_S)

    def csrf(self, request: Request) -> str:
        """What a form of this session must send back."""
        secret = request.cookies.get(COOKIE, "")
        return hmac.digest(secret.encode(), b"sps-form", "sha256").hex() if secret else ""

    def check(self, request: Request, shown: str) -> None:
        """Refuse a form that was not ours."""
        if not hmac.compare_digest(self.csrf(request).encode(), shown.encode()):
            raise Problem(
                403, "FORM_EXPIRED", "The form has expired", "go back, load the page again and send it again"
            )

    def _set(self, response: Response, name: str, value: str, seconds: int) -> None:
        response.set_cookie(name, value, max_age=seconds, httponly=True, samesite="lax", secure=self._secure)


def see(path: str, answer: Answer | None = None) -> RedirectResponse:
    """POST, redirect, GET: the back button and a reload are safe. What still waits is said there."""
    if answer is not None and answer.status == ACCEPTED:
        path += f"{'&' if '?' in path else '?'}wait=1"
    return RedirectResponse(path, SEE_OTHER)
