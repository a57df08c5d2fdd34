"""What OpenAPI says about one operation; the pages of `docs/openapi.json` are made of these."""

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from contract_api.entrypoints.schemas import Pending
from sps.runtime.problems import responses


def operation(
    name: str,
    summary: str,
    tag: str,
    answer: type[BaseModel] | None,
    *errors: int,
    status: int = 200,
    waits: bool = False,
) -> dict[str, Any]:
    """Arguments of a route: its name, its good answer, the errors that can occur beside those of every route.

    `waits`: the operation waits for its block, and is answered 202 when that takes too long.
    """
    good: dict[int | str, dict[str, Any]] = {status: {"description": HTTPStatus(status).phrase}}
    if answer is not None:
        good[status]["model"] = answer
    if waits:
        good[202] = {
            "model": Pending,
            "description": "Not final yet. Send the same request with the same key again for the outcome.",
            "headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}},
        }
    return {
        "operation_id": name,
        "summary": summary,
        "tags": [tag],
        "status_code": status,
        "response_model": None,
        "responses": good | responses(*errors),
    }
