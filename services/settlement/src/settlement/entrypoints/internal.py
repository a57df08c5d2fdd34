"""Internal: the books, for operators and their tools. Amounts are strings of minor units."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from pydantic import SecretStr

from settlement.application.ports import BookHead, BookLine, Books, TrialLine
from sps.runtime.internal_auth import internal_only

PAGE_MAX: Final = 1_000
ADDRESS_MAX: Final = 200
SUBJECT_MAX: Final = 96


def internal_router(books: Books, token: SecretStr) -> APIRouter:
    """Trial balance, in pages, and the newest lines of the journal."""
    router = APIRouter(prefix="/internal/books", dependencies=[Depends(internal_only(token))])

    @router.get("/trial-balance")
    async def trial_balance(
        after: Annotated[str, Query(max_length=ADDRESS_MAX)] = "",
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE_MAX,
    ) -> dict[str, Any]:
        trial = await books.trial(after, limit)
        full = len(trial.lines) == limit
        return _head(trial.head) | {
            "data": [_account(line) for line in trial.lines],
            "after": trial.lines[-1].address if full else None,
        }

    @router.get("/journal")
    async def journal(
        subject: Annotated[str, Query(max_length=SUBJECT_MAX)] = "",
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100,
    ) -> dict[str, Any]:
        return {"data": [_line(line) for line in await books.journal(subject or None, limit)]}

    return router


def _head(head: BookHead) -> dict[str, Any]:
    return {"height": head.height, "entry_height": head.entry_height, "entry_ms": head.entry_ms}


def _account(line: TrialLine) -> dict[str, str]:
    return {
        "account": line.address,
        "currency": line.currency,
        "debits": str(line.debits),
        "credits": str(line.credits),
        "balance": str(line.balance),
    }


def _line(line: BookLine) -> dict[str, Any]:
    return {
        "height": line.height,
        "n": line.n,
        "kind": line.kind,
        "subject": line.subject,
        "account": line.address,
        "minor": str(line.amount),
    }
