"""REST: the chain itself, open to anybody: blocks, and the genesis on which all trust rests."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from contract_api.application.reading import Reader
from contract_api.entrypoints.operations import operation
from contract_api.entrypoints.schemas_chain import Block

HEIGHT_MAX = 2**63 - 1


def chain_router(reader: Reader, genesis: bytes) -> APIRouter:
    """Routes that need no key: there is no personal data on the chain."""
    router = APIRouter(prefix="/v1")

    @router.get("/blocks/{height}", **operation("get_block", "Get a block", "proofs", Block, 404))
    async def block(height: Annotated[int, Path(ge=1, le=HEIGHT_MAX)]) -> dict[str, Any]:
        """A final block: its header, the batches it orders, its certificate, and what executing it gave."""
        return await reader.block(height)

    @router.get("/genesis", **operation("get_genesis", "Get the genesis", "proofs", None))
    def get_genesis() -> Response:
        """The document on which all trust rests; compare its SHA-256 with a source of your own."""
        return Response(genesis, 200, media_type="application/json")

    return router
