"""A refusal is a problem document for programs and a page that says what to do for people."""

from typing import Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from contract_api.entrypoints.access import problem_of
from contract_api.entrypoints.rendering import Pages, chosen_language
from contract_api.entrypoints.texts import explained, translate
from sps.runtime.errors import Refusal
from sps.runtime.problems import PROBLEM_JSON, Problem, of_exception, problem_body

UNAUTHORIZED: Final = 401
API: Final = ("/v1/", "/static/", "/openapi.json")


def install_refusals(app: FastAPI, pages: Pages) -> None:
    """Answer every refusal in the form that fits who asked."""

    async def answer(request: Request, error: Exception) -> Response:
        problem = as_problem(error)
        if request.url.path.startswith(API) or "text/html" not in request.headers.get("accept", ""):
            body = problem_body(problem, request.scope.get("sps.request_id", ""))
            return Response(body, problem.status_code, problem.headers, PROBLEM_JSON)
        return _page(pages, request, problem)

    for kind in (HTTPException, RequestValidationError, Refusal):
        app.add_exception_handler(kind, answer)


def as_problem(error: Exception) -> Problem:
    """A refusal with the status that fits it; everything else as everywhere."""
    return problem_of(error) if isinstance(error, Refusal) else of_exception(error)


def in_words(request: Request, problem: Problem) -> str:
    """What a problem says to people, in their language."""
    text = explained(chosen_language(request), problem.code, problem.text or problem.title)
    return text[:1].upper() + text[1:]


def _page(pages: Pages, request: Request, problem: Problem) -> Response:
    language = chosen_language(request)
    return pages.page(
        request,
        "problem.html",
        problem.status_code,
        title=translate(language, problem.title or "That did not work"),
        detail=in_words(request, problem),
        code=problem.code,
        back="/" if problem.status_code == UNAUTHORIZED else _back(request),
    )


def _back(request: Request) -> str:
    """Where he came from: only the path, so that a foreign address cannot be put under the button."""
    _, _, rest = request.headers.get("referer", "").partition("://")
    host, slash, path = rest.partition("/")
    ours = slash and host == request.url.netloc and not path.startswith(("/", "\\"))
    return f"/{path}" if ours else "/"
