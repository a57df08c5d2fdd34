"""What contract-api has folded, row by row; and the same log folded once more from nothing."""

from typing import Any, Final

from api_town import ApiTown, Nobody
from sqlalchemy import select

from contract_api.adapters import tables
from contract_api.bootstrap import bootstrap
from sps.runtime.database import Database

READ_MODELS: Final = (
    tables.contract,
    tables.event,
    tables.payout,
    tables.quote,
    tables.balance,
    tables.block,
    tables.batch,
)

Rows = dict[str, list[tuple[Any, ...]]]


async def folded(town: ApiTown, url: str = "") -> Rows:
    """Every row of every read model, as the town's database has them, or another one."""
    database = Database(url or town.settings().database_url)
    try:
        async with database.reading() as connection:
            return {
                table.name: sorted((tuple(row) for row in await connection.execute(select(table))), key=repr)
                for table in READ_MODELS
            }
    finally:
        await database.stop()


async def folded_anew(town: ApiTown) -> Rows:
    """The same by a service that begins with an empty database, of SQLite whatever the town's is."""
    url = f"sqlite+aiosqlite:///{town.folder / 'anew.db'}"
    again = await bootstrap(town.settings(database_url=url), log=town.log, clock=town.clock)
    again.follower._peers = Nobody()
    await again.start()
    await again.follower.reached(town.chain.state.height)
    await again.stop()
    return await folded(town, url)
