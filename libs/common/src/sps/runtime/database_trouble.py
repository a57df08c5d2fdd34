"""Which failures of a database are the world's: the same step may be tried again. All others are ours."""

import sqlite3
from typing import Final

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from sps.runtime.errors import Trouble

WORLDLY_CLASSES: Final = ("08", "40", "53", "57", "58")
"""SQLSTATE classes: connection, rolled back (deadlock, serialization), resources, operator, system."""
WORLDLY_STATES: Final = frozenset({"55P03", "25P03", "25006"})
"""Lock not available, idle in a transaction, and read only: the server has become a standby."""
WORLDLY_SQLITE: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)
_PRIMARY: Final = 0xFF
"""SQLite's extended codes have the primary one in the lowest byte."""


class DatabaseTrouble(Trouble):
    """The database failed; with `outcome_unknown` the transaction may or may not be committed.

    Even "not committed yet" may be followed by the commit. So who looks it up, looks with a statement that
    waits for that transaction's end: a row lock, an insert of the same unique key, or `one_at_a_time`.
    """

    def __init__(self, message: str, *, outcome_unknown: bool = False) -> None:
        super().__init__(message)
        self.outcome_unknown = outcome_unknown


def raise_ours(error: BaseException) -> None:
    """Raise `DatabaseTrouble` for the world's failures; everything else stays what it is."""
    if isinstance(error, PoolTimeout):
        raise DatabaseTrouble(f"no free connection: {error}") from error
    if isinstance(error, OSError):  # the driver's own, TimeoutError among them
        raise DatabaseTrouble(f"the database cannot be reached or does not answer: {error!r}") from error
    if isinstance(error, DBAPIError) and _is_worldly(error):
        raise DatabaseTrouble(f"the database failed: {error.orig}") from error


def is_refused_commit(error: BaseException) -> bool:
    """The server itself answered COMMIT with an error and lives on: nothing was committed."""
    if not isinstance(error, DBAPIError) or error.orig is None:
        return False
    return getattr(error.orig.__cause__, "severity", "") == "ERROR" or isinstance(
        error.orig, sqlite3.IntegrityError
    )


def _is_worldly(error: DBAPIError) -> bool:
    changed = isinstance(getattr(error.orig, "__cause__", None), asyncpg.InvalidCachedStatementError)
    if error.connection_invalidated or changed:  # a newer release has changed the tables under us
        return True
    state: str | None = getattr(error.orig, "sqlstate", None)
    if state:
        return state.startswith(WORLDLY_CLASSES) or state in WORLDLY_STATES
    code: int | None = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & _PRIMARY in WORLDLY_SQLITE
    return isinstance(error.orig, sqlite3.Error) and isinstance(error, OperationalError | InterfaceError)
