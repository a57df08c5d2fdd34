"""All of REST in one place, with the document that describes it."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from msgspec import Struct

from contract_api.application.accounts import Accounts
from contract_api.application.contracts import Contracts
from contract_api.application.money import SellerMoney
from contract_api.application.proving import Prover
from contract_api.application.reading import Reader
from contract_api.application.shipping import Shipping
from contract_api.entrypoints.access import Access
from contract_api.entrypoints.rest_chain import chain_router
from contract_api.entrypoints.rest_contracts import contracts_router
from contract_api.entrypoints.rest_money import money_router
from contract_api.entrypoints.schema_examples import EXAMPLES
from sps.runtime.problems import PROBLEM_SCHEMA

TITLE: Final = "Smart Payment Service"
VERSION: Final = "1"
DESCRIPTION: Final = """\
Escrow between people who do not know each other: the buyer's money is held, the carrier's signed receipt
releases it, and every step stands on a chain that anybody can check offline.

Send `Authorization: Bearer` with every request that shows it here. Every POST that changes something needs an
`Idempotency-Key`: the same request with the same key is done once and answered alike. Amounts are strings of
minor units. Every error is a problem document (RFC 9457) whose `code` never changes its meaning;
`/docs/problems` explains each of them.
"""
TAGS: Final = [
    {"name": "merchants", "description": "Who sells."},
    {"name": "contracts", "description": "What the seller does."},
    {"name": "buyer", "description": "What the buyer does, by the token of his link."},
    {"name": "money", "description": "Released money: convert it, cash it out."},
    {"name": "proofs", "description": "What anybody can check."},
]
BODY_ERRORS: Final = ("408", "413", "415")
KEY: Final = "idempotency-key"


class UseCases(Struct, frozen=True):
    """What the routes call."""

    accounts: Accounts
    contracts: Contracts
    shipping: Shipping
    money: SellerMoney
    reader: Reader
    prover: Prover


def install_rest(app: FastAPI, cases: UseCases, genesis: bytes) -> None:
    """Add every route below `/v1`, and describe them at `/openapi.json`."""
    access = Access(cases.accounts)
    app.include_router(
        contracts_router(access, cases.accounts, cases.contracts, cases.shipping, cases.reader, cases.prover)
    )
    app.include_router(money_router(access, cases.money, cases.reader))
    app.include_router(chain_router(cases.reader, genesis))
    document: dict[str, Any] = {}

    def described() -> dict[str, Any]:
        document.update(document or describe(app))
        return document

    # FastAPI's own way to change the document is to put another function in this place.
    setattr(app, "openapi", described)  # noqa: B010 a method for mypy


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, said as exactly as FastAPI's generator cannot."""
    document = get_openapi(
        title=TITLE,
        version=VERSION,
        description=DESCRIPTION,
        routes=app.routes,
        tags=TAGS,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        servers=[{"url": "/"}],
    )
    for operations in document["paths"].values():
        for method, told in operations.items():
            _tidy(method, told)
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = dict(PROBLEM_SCHEMA)
    for name, example in EXAMPLES.items():
        schemas[name]["examples"] = [example]  # FastAPI would drop what is null in it
    return document


def _tidy(method: str, told: dict[str, Any]) -> None:
    if "requestBody" not in told:
        for status in BODY_ERRORS if method == "get" else ("413", "415"):
            told["responses"].pop(status, None)
    if method == "get" and not told.get("parameters"):
        told["responses"].pop("422", None)
    for parameter in told.get("parameters", ()):
        if parameter["name"] == KEY:
            parameter |= {"name": "Idempotency-Key", "required": True, "schema": _KEY_SCHEMA}
            parameter["description"] = "New with each new request; the same to repeat one."
    for answer in told["responses"].values():
        for content in answer.get("content", {}).values():
            if content.get("schema", {}).get("title") == "Problem":
                content["schema"] = {"$ref": "#/components/schemas/Problem"}


_KEY_SCHEMA: Final = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
