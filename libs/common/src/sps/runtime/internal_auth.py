"""Who may call `/internal/…`: whoever shows the token that the services of one installation share."""

import hashlib
import hmac
from collections.abc import Callable
from typing import Final

from fastapi import Request
from pydantic import SecretStr

from sps.runtime.problems import Problem

_SCHEME: Final = "bearer "


def internal_only(token: SecretStr) -> Callable[[Request], None]:
    """A dependency for a router: `APIRouter(dependencies=[Depends(internal_only(token))])`."""
    expected = _digest(token.get_secret_value())

    def check(request: Request) -> None:
        shown = request.headers.get("authorization", "")
        if not shown.lower().startswith(_SCHEME):
            shown = _SCHEME
        # Digests have one length, so the comparison takes one time whatever was shown.
        if not hmac.compare_digest(_digest(shown[len(_SCHEME) :]), expected):
            raise Problem(401, "UNAUTHORIZED", "The internal token is missing or wrong", headers=_CHALLENGE)

    return check


def internal_headers(token: SecretStr) -> dict[str, str]:
    """What a caller of another service sends along."""
    return {"authorization": f"Bearer {token.get_secret_value()}"}


_CHALLENGE: Final = {"www-authenticate": "Bearer"}


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
