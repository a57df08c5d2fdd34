"""What the use cases ask of the world: a store of records, and somebody who posts messages."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol, TypeVar

from msgspec import Struct

R = TypeVar("R", bound=Struct)

PAGE_MAX: Final = 1_000
"""The longest list that is ever read at once."""


class Unit(Protocol):
    """One database transaction."""

    async def add(self, record: R) -> R:
        """Store a new record; returns it with its id."""

    async def save(self, record: R) -> R:
        """Overwrite a stored record."""

    async def find(self, kind: type[R], /, **where: Any) -> R | None:
        """The newest record whose columns have these values."""

    async def find_all(
        self,
        kind: type[R],
        /,
        *,
        limit: int = PAGE_MAX,
        newest_first: bool = False,
        below_id: int = 0,
        since_ms: int = 0,
        **where: Any,
    ) -> list[R]:
        """Records in order of arrival; `below_id` and `since_ms` (creation) narrow them when set."""

    async def due(self, kind: type[R], now_ms: int, limit: int, /, **where: Any) -> list[R]:
        """Records with `due_ms` in (0, now], the most overdue first."""

    async def next_due_ms(self, kind: type[R], /, **where: Any) -> int | None:
        """The smallest `due_ms` above zero."""

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call back once this transaction is committed."""


class Store(Protocol):
    """Opens units."""

    def transaction(self) -> AbstractAsyncContextManager[Unit]:
        """A unit that writes."""

    def reading(self) -> AbstractAsyncContextManager[Unit]:
        """A unit that only reads."""


class Sender(Protocol):
    """Posts one message."""

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        """Status and the beginning of the body; status 0 and the reason when there was no answer."""
