"""The catch-up endpoint: what this node knows, for peers and followers that the broker left behind.

Everything it serves proves itself, so it needs no login; everything it serves is bounded.
`GET /v1/status`, `GET /v1/blocks?from=H&limit=N` (length 4 and record, repeated),
`GET /v1/batches/{digest}`.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, FastAPI, Path, Query, Response
from msgspec import Struct

from consensus_node.application.ports import BatchKeeper, BlockKeeper
from consensus_node.metrics import NodeMetrics
from sps.runtime.http import Problem, create_app

BLOCKS_MAX: Final = 256
BINARY: Final = "application/octet-stream"
_LENGTH_BYTES: Final = 4
_FROM: Final = Query(alias="from", ge=1, le=2**53)
_LIMIT: Final = Query(ge=1, le=BLOCKS_MAX)
_DIGEST: Final = Path(pattern="^[0-9a-f]{64}$")


class NodeStatus(Struct, frozen=True):
    """Where the node stands; hints only, nobody believes them unproved."""

    name: str
    chain: str
    epoch: int
    view: int
    final_height: int
    executed_height: int
    app_hash: str
    """Hex, of the executed height."""
    voting: bool
    ready: bool
    version: str
    """Of the program."""
    time_ms: int
    """What the node takes the time to be, for whoever compares clocks."""


def create_catch_up(
    blocks: BlockKeeper, batches: BatchKeeper, status: Callable[[], NodeStatus], metrics: NodeMetrics
) -> FastAPI:
    """The application of the endpoint."""
    app = create_app(
        "Consensus node: catch-up", service="consensus-node", registry=metrics.registry, openapi_url=None
    )
    app.include_router(_router(blocks, batches, status))
    return app


def _router(blocks: BlockKeeper, batches: BatchKeeper, status: Callable[[], NodeStatus]) -> APIRouter:
    router = APIRouter(prefix="/v1")

    @router.get("/status")
    async def get_status() -> dict[str, Any]:
        found = status()
        return {name: getattr(found, name) for name in found.__struct_fields__}

    @router.get("/blocks", response_class=Response)
    async def get_blocks(
        first: Annotated[int, _FROM], limit: Annotated[int, _LIMIT] = BLOCKS_MAX
    ) -> Response:
        records = blocks.records(first, limit)
        body = b"".join(len(raw).to_bytes(_LENGTH_BYTES, "big") + raw for raw in records)
        return Response(body, media_type=BINARY)

    @router.get("/batches/{digest}", response_class=Response)
    async def get_batch(digest: Annotated[str, _DIGEST]) -> Response:
        raw = batches.record(bytes.fromhex(digest))
        if raw is None:
            raise Problem(404, "BATCH_UNKNOWN", "This node has no batch with this digest")
        return Response(raw, media_type=BINARY)

    return router
