"""Reading forms and signed links as they came: UTF-8, bounded, nothing guessed."""

from typing import Final
from urllib.parse import parse_qsl

from fastapi import Request

from sps.runtime.http import Problem

FIELDS_MAX: Final = 200


def pairs_of(text: str) -> list[tuple[str, str]]:
    """The fields of a form or query, decoded once."""
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX)
    except ValueError as error:
        raise Problem(400, "MALFORMED_FORM", "The form is not one in UTF-8") from error


async def body_pairs(request: Request) -> list[tuple[str, str]]:
    """The form in the body."""
    try:
        return pairs_of((await request.body()).decode("ascii"))
    except UnicodeDecodeError as error:
        raise Problem(400, "MALFORMED_FORM", "The form is not URL-encoded") from error


def same_site_only(request: Request) -> None:
    """A page of a stranger cannot press our buttons: browsers say where a form comes from."""
    if request.headers.get("sec-fetch-site", "none") not in {"same-origin", "same-site", "none"}:
        raise Problem(403, "FORBIDDEN", "The form came from another site")
