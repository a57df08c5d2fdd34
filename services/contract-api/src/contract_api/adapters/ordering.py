"""The order of text is the order of its bytes, whatever language a PostgreSQL database sorts by.

Pages are cut by it, so it must be the same after the database has moved to another machine. SQLite knows no
other order.
"""

from typing import Any

from sqlalchemy import ColumnElement, String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class bytewise(FunctionElement[str]):  # noqa: N801 it reads like a function of SQL
    """A column of text, compared and sorted byte by byte."""

    name = "bytewise"
    type = String()
    inherit_cache = True

    def __init__(self, column: ColumnElement[str]) -> None:
        super().__init__(column)


@compiles(bytewise)
def _plain(element: bytewise, compiler: Any, **kw: Any) -> str:
    return str(compiler.process(element.clauses.clauses[0], **kw))


@compiles(bytewise, "postgresql")
def _collated(element: bytewise, compiler: Any, **kw: Any) -> str:
    return f'{compiler.process(element.clauses.clauses[0], **kw)} COLLATE "C"'
