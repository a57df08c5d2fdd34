"""What the monitor tries of a dependency, in the background: the cheapest question that needs an answer."""

from typing import TYPE_CHECKING

from sps.eventlog.port import EventLog
from sps.eventlog.topics import BLOCKS
from sps.runtime.monitor import Check

if TYPE_CHECKING:
    from sps.runtime.database import Database


def answering(database: "Database") -> Check:
    """The database answers a query."""

    async def check() -> None:
        async with database.reading() as connection:
            await connection.exec_driver_sql("SELECT 1")

    return check


def reachable(log: EventLog) -> Check:
    """The event log answers."""
    return lambda: log.bounds(BLOCKS, 0)
