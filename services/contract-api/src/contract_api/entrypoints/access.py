"""Who asks, under which idempotency key; and refusals of the contract as answers of HTTP."""

from typing import Annotated, Any, Final

from fastapi import Depends, Header, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from contract_api.application.accounts import Accounts
from contract_api.application.idempotent import ACCEPTED, Answer, Asked
from contract_api.application.ports import Principal
from sps.escrow.refusals import TERMS_REFUSALS
from sps.runtime.errors import Refusal
from sps.runtime.problems import Problem

_CHALLENGE: Final = {"www-authenticate": "Bearer"}

RETRY_S: Final = 1
SECRET_MAX: Final = 300

NOT_FOUND: Final = frozenset(
    {"UNKNOWN_CONTRACT", "UNKNOWN_PAYOUT", "UNKNOWN_QUOTE", "UNKNOWN_PARCEL", "UNKNOWN_BLOCK"}
)
FORBIDDEN: Final = frozenset({"REGISTRATION_CLOSED"})
UNFIT: Final = TERMS_REFUSALS | {
    "IDEMPOTENCY_KEY_REUSED",
    "UNKNOWN_BENEFICIARY",
    "NAME_BAD",
    "VALIDATION_FAILED",
    "BAD_TRACKING_NUMBER",
    "BAD_DESTINATION",
    "UNKNOWN_CARRIER",
    "UNKNOWN_PROVIDER",
    "CURRENCY_NOT_OFFERED",
    "AMOUNT_NOT_EXACT",
    "AMOUNT_OUT_OF_RANGE",
    "BAD_ACCOUNT",
    "NAME_NEEDED",
}
BAD_REQUEST: Final = frozenset({"IDEMPOTENCY_KEY_BAD"})


def problem_of(refusal: Refusal) -> Problem:
    """The status that fits a refusal; its code and its sentence stay."""
    status = 409
    if refusal.code in NOT_FOUND:
        status = 404
    elif refusal.code in FORBIDDEN:
        status = 403
    elif refusal.code in BAD_REQUEST:
        status = 400
    elif refusal.code in UNFIT:
        status = 422
    return Problem(status, refusal.code, "The rules do not allow this", refusal.message)


class Access:
    """Dependencies of the routes."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def principal(self, secret: str) -> Principal:
        """Merchant or buyer by bearer secret; 401 otherwise."""
        who = await self._accounts.recognise(secret)
        if who is None:
            raise Problem(
                401,
                "UNAUTHORIZED",
                "No valid key",
                "send Authorization: Bearer with your key",
                headers=_CHALLENGE,
            )
        return who

    async def merchant(self, secret: str) -> Principal:
        """Only a merchant."""
        who = await self.principal(secret)
        if not who.merchant:
            raise Problem(403, "SELLER_ONLY", "Only the seller can do this", "use the merchant's API key")
        return who

    async def buyer(self, secret: str, contract: str) -> Principal:
        """Only the buyer of this contract."""
        who = await self.principal(secret)
        if who.contract != contract:
            raise Problem(
                403, "BUYER_ONLY", "Only the buyer can do this", "use the token of the buyer's link"
            )
        return who


def idempotency_key(idempotency_key: Annotated[str, Header(max_length=300)] = "") -> str:
    """The header that every change needs."""
    if not idempotency_key:
        raise Problem(
            400,
            "IDEMPOTENCY_KEY_MISSING",
            "The Idempotency-Key is missing",
            "send a new key with each new request",
        )
    return idempotency_key


Key = Annotated[str, Depends(idempotency_key)]


_bearer: Final = HTTPBearer(
    auto_error=False,
    scheme_name="bearer",
    description="A merchant's API key (`spsk_…`), or the token of a buyer's link (`spsb_…`).",
)


def bearer_secret(
    shown: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> str:
    """The secret as it was sent; empty without one."""
    return shown.credentials.strip()[:SECRET_MAX] if shown is not None else ""


Secret = Annotated[str, Depends(bearer_secret)]


def asked(who: Principal, key: str, request: Request, body: Any) -> Asked:
    """The request as the desk takes it."""
    return Asked(who, key, request.method, request.url.path, body)


def sent(answer: Answer) -> Response:
    """The answer's exact bytes; 202 while its block takes longer than we wait."""
    headers = {"idempotent-replayed": "true"} if answer.replayed else {}
    if answer.status == ACCEPTED:
        headers["retry-after"] = str(RETRY_S)
    return Response(answer.body, answer.status, headers, "application/json")
