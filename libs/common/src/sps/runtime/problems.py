"""Errors on the wire: RFC 9457 `application/problem+json` for every one of them, whoever found it.

`code` is stable; `type` is a page of the documentation; `instance` is the request's id.
`errors` lists what was wrong with the input: `{pointer, code, message}`, pointer by RFC 6901.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from sps.runtime.errors import Refusal, is_trouble

PROBLEM_JSON: Final = "application/problem+json"
DOCUMENTATION: Final = "/docs/problems#"
FIELD_ERRORS_MAX: Final = 50
"""A hostile body cannot make an answer much longer than itself."""
TEXT_MAX: Final = 500

_CODES: Final = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    406: "NOT_ACCEPTABLE",
    408: "REQUEST_TIMEOUT",
    413: "BODY_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "VALIDATION_FAILED",
    431: "HEADERS_TOO_LARGE",
    500: "INTERNAL_ERROR",
    503: "UNAVAILABLE",
}


class FieldError(msgspec.Struct, frozen=True):
    """One thing that is wrong with the input."""

    pointer: str
    code: str
    message: str


class Problem(HTTPException):
    """An answer that is an error. Raise it anywhere below a route."""

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str = "",
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, title, dict(headers) if headers else None)
        self.code = code
        self.title = title
        self.text = detail
        self.errors = tuple(errors)


def problem_body(problem: Problem, request_id: str) -> bytes:
    """The JSON document of a problem."""
    members: dict[str, Any] = {
        "type": DOCUMENTATION + problem.code.lower(),
        "title": problem.title,
        "status": problem.status_code,
        "code": problem.code,
        "instance": request_id,
    }
    if problem.text:
        members["detail"] = problem.text[:TEXT_MAX]
    if problem.errors:
        members["errors"] = problem.errors[:FIELD_ERRORS_MAX]
    return msgspec.json.encode(members)


def plain_problem(status: int, detail: str = "", headers: Mapping[str, str] | None = None) -> Problem:
    """The problem that a bare status code stands for."""
    phrase = HTTPStatus(status).phrase
    code = _CODES.get(status, phrase.upper().replace(" ", "_").replace("-", "_"))
    return Problem(status, code, phrase, detail if detail != phrase else "", headers=headers)


def of_exception(error: Exception) -> Problem:
    """What the caller is told about an exception; our own insides are never part of it."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return _of_validation(error)
    if isinstance(error, HTTPException):
        return plain_problem(error.status_code, str(error.detail), error.headers)
    if isinstance(error, Refusal):
        return Problem(409, error.code, "The rules do not allow this now", error.message)
    if is_trouble(error):
        return Problem(503, "UNAVAILABLE", "Please try again", headers={"retry-after": "1"})
    return Problem(500, "INTERNAL_ERROR", "Something broke on our side")


def install_problem_handlers(app: FastAPI) -> None:
    """Route every exception that FastAPI and Starlette know through `of_exception`."""
    for kind in (HTTPException, RequestValidationError, Refusal):
        app.add_exception_handler(kind, _answer)


async def _answer(request: Request, error: Exception) -> Response:
    problem = of_exception(error)
    body = problem_body(problem, request.scope.get("sps.request_id", ""))
    return Response(body, problem.status_code, problem.headers, PROBLEM_JSON)


def _of_validation(error: RequestValidationError) -> Problem:
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return Problem(400, "MALFORMED_JSON", "The body is not JSON")
    errors = tuple(_field_error(item) for item in found[:FIELD_ERRORS_MAX])
    return Problem(422, "VALIDATION_FAILED", "The input does not fit", errors=errors)


def _field_error(item: Mapping[str, Any]) -> FieldError:
    path = [str(part).replace("~", "~0").replace("/", "~1")[:TEXT_MAX] for part in item["loc"]]
    return FieldError("/" + "/".join(path), str(item["type"]).upper(), str(item["msg"])[:TEXT_MAX])


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Entries for OpenAPI: these statuses are answered with a problem document."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {PROBLEM_JSON: {"schema": PROBLEM_SCHEMA}},
        }
        for status in statuses
    }


_TEXT: Final = {"type": "string"}
PROBLEM_SCHEMA: Final[dict[str, Any]] = {
    "title": "Problem",
    "type": "object",
    "required": ["type", "title", "status", "code", "instance"],
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "code": _TEXT,
        "instance": _TEXT,
        "detail": _TEXT,
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "message"],
                "properties": {"pointer": _TEXT, "code": _TEXT, "message": _TEXT},
            },
        },
    },
}
