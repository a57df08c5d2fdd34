"""How long a restart takes on a long chain of small blocks: a follower below its cursor, a validator's start.

Beside it a follower with an empty database, which verifies every certificate and every batch.
"""

import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from consensus_node.bootstrap import bootstrap
from consensus_node.settings import Settings
from sps.chain.batch import digest
from sps.chain.header import block_id
from sps.eventlog.embedded import EmbeddedLog
from sps.runtime.database import Database
from sps.runtime.follower import Follower
from sps.runtime.lifecycle import Supervisor
from sps.runtime.projection import NoProjection
from sps.runtime.projection_cursor import Cursor, CursorRow
from sps.runtime.tables import service_metadata
from sps_cli.benches.figures import NANO, Effort, Figure, Told
from sps_cli.benches.long_chain import LongChain
from sps_cli.benches.ordering_seat import Shelf, Town

PART: Final = "replay"
VALIDATORS: Final = 4
SERVICE: Final = "bench"


async def measure(effort: Effort, told: Told) -> list[Figure]:
    """One chain, three ways to come up on it."""
    blocks = effort.of(20_000, 400)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        told(f"making a chain of {blocks} small blocks")
        chain = LongChain(Town(folder, VALIDATORS), blocks)
        log = EmbeddedLog(folder / "log.sqlite")
        await log.start()
        try:
            await chain.publish(log)
            told("a follower goes again over what it has projected")
            figures = await _follower(chain, log, folder, projected=True)
            told("a follower with an empty database verifies everything")
            figures += await _follower(chain, log, folder, projected=False)
            told("a validator starts")
            return figures + await _node(chain, log, folder)
        finally:
            await log.stop()


async def _follower(chain: LongChain, log: EmbeddedLog, folder: Path, *, projected: bool) -> list[Figure]:
    database = Database(f"sqlite+aiosqlite:///{folder / f'follower-{projected}.sqlite'}")
    follower = Follower(chain.town.genesis, log, database, SERVICE, NoProjection())
    supervisor = Supervisor(SERVICE)
    height = len(chain.blocks)

    async def up() -> None:
        await follower.start(supervisor)
        await follower.reached(height)

    try:
        await _prepare(database, chain, projected=projected)
        what = "projected already" if projected else "not projected yet"
        return await _timed(f"follower, {what}", height, up)
    finally:
        await supervisor.stop()
        await follower.stop()
        await database.stop()


async def _prepare(database: Database, chain: LongChain, *, projected: bool) -> None:
    """The tables, and the cursor at the end of the chain when the service was there already."""
    row = CursorRow(SERVICE, chain.town.chain_id)
    async with database.transaction() as connection:
        await connection.run_sync(service_metadata().create_all)
        if projected:
            state = chain.state
            origin = await row.claim(connection, Cursor(0, chain.blocks[0].header.parent_id, bytes(32)))
            after = Cursor(state.height, block_id(chain.blocks[-1].header), state.app_hash)
            await row.advance(connection, origin.height, after)


async def _node(chain: LongChain, log: EmbeddedLog, folder: Path) -> list[Figure]:
    """From opening its files until it reads the log, as an observer: the chain is what it starts from."""
    data = folder / "node"
    data.mkdir()
    await _store(chain, data)
    (folder / "genesis.json").write_bytes(chain.town.raw)
    key = folder / "node.key"
    key.touch(0o600)
    key.write_text(chain.town.seeds[0].hex() + "\n")
    settings = Settings(
        genesis=folder / "genesis.json", key=key, data=data, peers=(), listen_ms=0, observer=True
    )
    stops: list[Callable[[], Awaitable[None]]] = []

    async def up() -> None:
        node = await bootstrap(settings, log=log)
        stops.append(node.stop)
        await node.start()

    try:
        return await _timed("validator", len(chain.blocks), up)
    finally:
        for stop in stops:
            await stop()


async def _store(chain: LongChain, data: Path) -> None:
    async with Shelf.opened(data, chain.town.chain_id) as shelf:
        for batch in chain.batches:
            shelf.batches.append(digest(batch.header), batch)
        for block in chain.blocks:
            shelf.blocks.append(block)
        await shelf.blocks.sync()
        await shelf.batches.sync()


async def _timed(who: str, blocks: int, up: Callable[[], Awaitable[None]]) -> list[Figure]:
    began, cpu = time.perf_counter(), time.process_time_ns()
    await up()
    took, spent = time.perf_counter() - began, time.process_time_ns() - cpu
    return [
        Figure(PART, f"{who}: {blocks} small blocks executed again", round(took, 2), "s", blocks),
        Figure(PART, f"{who}: per block", round(spent / NANO / blocks, 1), "µs CPU", blocks),
    ]
