"""Lines of the books. Whoever moves money calls this inside the same transaction."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from sandbox.application.ports import Unit
from sandbox.core.books import signed_minor
from sandbox.core.records import Account, Entry

OPENING: Final = "opening"


class NotEnough(Exception):
    """The provider holds less than was asked of it."""


async def post(unit: Unit, entry: Entry) -> None:
    """Write a line and change the balance; `NotEnough` when it would fall below zero. Zero is no line."""
    if entry.minor == 0:
        return
    account = await unit.find(Account, provider=entry.provider, currency=entry.currency)
    if account is None:
        account = await unit.add(Account(entry.provider, entry.currency, 0))
    balance = account.balance + signed_minor(entry.kind, entry.minor)
    if balance < 0:
        raise NotEnough(f"{entry.provider} holds {account.balance} {entry.currency}")
    await unit.save(replace(account, balance=balance))
    await unit.add(entry)


async def open_books(unit: Unit, floats: Sequence[tuple[str, str, int]], now_ms: int) -> None:
    """Write the opening balances once."""
    for provider, currency, minor in floats:
        if await unit.find(Entry, provider=provider, currency=currency, kind=OPENING) is None:
            await post(unit, Entry(provider, currency, OPENING, minor, "float", now_ms))
