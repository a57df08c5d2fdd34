"""REST: contracts, what seller and buyer do to them, their timeline and their proof."""

import base64
import binascii
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from contract_api.application.accounts import Accounts
from contract_api.application.contracts import Contracts
from contract_api.application.proving import ProofNotReady, Prover
from contract_api.application.reading import PAGE_MAX, Reader
from contract_api.application.shipping import Shipping
from contract_api.entrypoints.access import Access, Key, Secret, asked, sent
from contract_api.entrypoints.models import (
    Acceptance,
    Confirmation,
    NewContract,
    NewMerchant,
    NewParcel,
    NewPayment,
)
from contract_api.entrypoints.operations import operation
from contract_api.entrypoints.schemas import (
    BookedParcel,
    Contract,
    ContractPage,
    EventList,
    Merchant,
    PaymentOpened,
)
from sps import identifiers
from sps.runtime.problems import Problem

SELLER_COMMANDS: Final = ("withdrawal", "cancellation", "cancellation_refusal")
BUYER_COMMANDS: Final = ("decline", "cancellation_request")
BUYER_ERRORS: Final = (401, 403, 404, 409)
TIME_MS_MAX: Final = 2**53 - 1

_COMMANDS: Final = {
    "withdrawal": ("Withdraw the offer", "The seller takes the offer back while nothing is paid."),
    "cancellation": ("Cancel", "The seller cancels before hand-over; or agrees to the buyer's request."),
    "cancellation_refusal": ("Refuse to cancel", "The seller refuses what the buyer asked for."),
    "decline": ("Decline the offer", "The buyer does not want it."),
    "cancellation_request": (
        "Ask to cancel",
        "The buyer asks to cancel before hand-over; silence of the seller means yes.",
    ),
}
"""Summary and description of the commands that say nothing but their name."""


def contracts_router(
    access: Access,
    accounts: Accounts,
    contracts: Contracts,
    shipping: Shipping,
    reader: Reader,
    prover: Prover,
) -> APIRouter:
    """All routes below `/v1/contracts`, and registration."""
    router = APIRouter(prefix="/v1")
    _registration(router, accounts)
    _opening(router, access, contracts, reader)
    _reading(router, access, reader, prover)
    _buying(router, access, contracts, shipping)
    _shipping(router, access, shipping, reader)
    for command in SELLER_COMMANDS + BUYER_COMMANDS:
        _add_command(router, command, access, contracts, reader)
    return router


def _registration(router: APIRouter, accounts: Accounts) -> None:
    @router.post(
        "/merchants",
        **operation("register_merchant", "Become a merchant", "merchants", Merchant, 403, status=201),
    )
    async def register(body: NewMerchant) -> dict[str, str]:
        """Opens an account for a seller. The API key is shown once; only its hash is kept."""
        merchant, key = await accounts.register(body.name)
        return {"merchant": merchant, "api_key": key}


def _opening(router: APIRouter, access: Access, contracts: Contracts, reader: Reader) -> None:
    @router.post(
        "/contracts",
        **operation(
            "create_contract", "Open a contract", "contracts", Contract, 401, 403, 409, status=201, waits=True
        ),
    )
    async def create(body: NewContract, request: Request, key: Key, secret: Secret) -> Response:
        """Open an escrow contract: the terms are signed for the seller and put on the chain."""
        who = await access.merchant(secret)
        return sent(await contracts.create(asked(who, key, request, body.model_dump()), body.wish()))

    @router.get(
        "/contracts", **operation("list_contracts", "List contracts", "contracts", ContractPage, 401, 403)
    )
    async def listed(
        secret: Secret,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 20,
        cursor: Annotated[str, Query(max_length=200)] = "",
    ) -> dict[str, Any]:
        """The merchant's contracts, newest first, page by page."""
        who = await access.merchant(secret)
        rows = await reader.contracts(who, _read_cursor(cursor), limit)
        more = len(rows) == limit
        last = (rows[-1]["created_ms"], rows[-1]["contract"]) if more else None
        return {"data": rows, "has_more": more, "next_cursor": _write_cursor(last)}


def _reading(router: APIRouter, access: Access, reader: Reader, prover: Prover) -> None:
    @router.get(
        "/contracts/{contract}",
        **operation("get_contract", "Get a contract", "contracts", Contract, 401, 404),
    )
    async def one(contract: str, secret: Secret) -> dict[str, Any]:
        """One contract, for its seller or its buyer."""
        return await reader.contract(await access.principal(secret), contract)

    @router.get(
        "/contracts/{contract}/events",
        **operation("list_contract_events", "What happened to a contract", "contracts", EventList, 401, 404),
    )
    async def events(contract: str, secret: Secret) -> dict[str, Any]:
        """Who said what, in which block, what it did to the money; oldest first, refused steps included."""
        return {"data": await reader.events(await access.principal(secret), contract)}

    @router.get(
        "/contracts/{contract}/proof",
        **operation("get_contract_proof", "Get the proof of a contract", "proofs", None, 401, 404),
    )
    async def proof(contract: str, secret: Secret) -> Response:
        """A file that anybody can check offline with only the genesis: `sps proof verify FILE`."""
        await reader.contract(await access.principal(secret), contract)
        return await proof_response(prover, contract)


def _buying(router: APIRouter, access: Access, contracts: Contracts, shipping: Shipping) -> None:
    @router.post(
        "/contracts/{contract}/acceptance",
        **operation("accept_contract", "Accept the terms", "buyer", Contract, *BUYER_ERRORS, waits=True),
    )
    async def accept(contract: str, body: Acceptance, request: Request, key: Key, secret: Secret) -> Response:
        """The buyer signs the same terms."""
        who = await access.buyer(secret, contract)
        return sent(
            await contracts.accept(asked(who, key, request, body.model_dump()), contract, body.terms_hash)
        )

    @router.post(
        "/contracts/{contract}/payments",
        **operation("open_payment", "Go to pay", "buyer", PaymentOpened, *BUYER_ERRORS, status=201),
    )
    async def pay(contract: str, body: NewPayment, request: Request, key: Key, secret: Secret) -> Response:
        """A checkout at the provider for what is still due; send the buyer to its `url`."""
        who = await access.buyer(secret, contract)
        wanted = asked(who, key, request, body.model_dump())
        return sent(await shipping.open_payment(wanted, contract, body.provider, body.return_url))

    @router.post(
        "/contracts/{contract}/confirmation",
        **operation("confirm_delivery", "Release the money", "buyer", Contract, *BUYER_ERRORS, waits=True),
    )
    async def confirm(
        contract: str, body: Confirmation, request: Request, key: Key, secret: Secret
    ) -> Response:
        """The buyer has the goods and releases the money now."""
        who = await access.buyer(secret, contract)
        wanted = asked(who, key, request, body.model_dump())
        return sent(await contracts.confirm(wanted, contract, tuple(body.tranches)))


def _shipping(router: APIRouter, access: Access, shipping: Shipping, reader: Reader) -> None:
    @router.post(
        "/contracts/{contract}/parcels",
        **operation(
            "book_parcel", "Book a parcel", "contracts", BookedParcel, 401, 403, 404, 409, status=201
        ),
    )
    async def book(contract: str, body: NewParcel, request: Request, key: Key, secret: Secret) -> Response:
        """Bind a tracking number to a parcel of this contract; a number is used once."""
        who = await access.merchant(secret)
        await reader.contract(who, contract)
        wanted = asked(who, key, request, body.model_dump())
        return sent(
            await shipping.book_parcel(wanted, contract, body.parcel, body.carrier, body.tracking_number)
        )


async def proof_response(prover: Prover, contract: str, wait_s: float = 0) -> Response:
    """The proof as a download; 404 while its last results are not carried by a block yet.

    People who click are made to wait a moment instead; programs know how to ask again.
    """
    try:
        document = await prover.proof(contract, wait_s)
    except ProofNotReady as error:
        raise Problem(
            404,
            "PROOF_NOT_READY",
            "The proof is not ready",
            "the newest results are carried by a later block; ask again in a second",
            headers={"retry-after": "1"},
        ) from error
    name = f'attachment; filename="{contract}.proof.json"'
    return Response(document, 200, {"content-disposition": name}, "application/json")


def _add_command(
    router: APIRouter, command: str, access: Access, contracts: Contracts, reader: Reader
) -> None:
    """One route for a command that says nothing but its name."""

    async def run(contract: str, request: Request, key: Key, secret: Secret) -> Response:
        if command in BUYER_COMMANDS:
            who = await access.buyer(secret, contract)
        else:
            who = await access.merchant(secret)
            await reader.contract(who, contract)
        return sent(await contracts.plain(asked(who, key, request, {}), contract, command))

    summary, description = _COMMANDS[command]
    tag = "buyer" if command in BUYER_COMMANDS else "contracts"
    told = operation(f"create_{command}", summary, tag, Contract, *BUYER_ERRORS, waits=True)
    path = f"/contracts/{{contract}}/{command}"
    router.add_api_route(path, run, methods=["POST"], description=description, **told)


def _write_cursor(place: tuple[int, str] | None) -> str | None:
    return base64.urlsafe_b64encode(f"1.{place[0]}.{place[1]}".encode()).decode() if place else None


def _read_cursor(cursor: str) -> tuple[int, str] | None:
    if not cursor:
        return None
    try:
        version, created_ms, contract = base64.urlsafe_b64decode(cursor.encode()).decode().split(".")
        if version == "1" and created_ms.isdecimal() and int(created_ms) <= TIME_MS_MAX:
            return int(created_ms), identifiers.check(contract, identifiers.CONTRACT)
    except (ValueError, binascii.Error):
        pass
    raise Problem(400, "BAD_CURSOR", "The cursor is not one of ours", "send back next_cursor as it was given")
