"""Receipts of the newest transactions, and who waits for one. Both bounded: the chain is the archive."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from sps.chain.receipt import Receipt
from sps.runtime.errors import Trouble

KEPT_MAX: Final = 20_000
WAITING_MAX: Final = 2_000


class TooManyWait(Trouble):
    """No more callers can wait; ask again."""


class ReceiptBook:
    """By the hex hash of the transaction's bytes. The first receipt of a hash stays the answer."""

    def __init__(self) -> None:
        self._kept: Final[OrderedDict[str, Receipt]] = OrderedDict()
        self._waiting: Final[dict[str, list[asyncio.Future[Receipt]]]] = {}
        self._count = 0

    def add(self, receipts: Iterable[Receipt]) -> None:
        """Keep, and tell those who wait."""
        for receipt in receipts:
            name = receipt.transaction
            if not name or name in self._kept:
                continue
            self._kept[name] = receipt
            for future in self._waiting.get(name, ()):
                if not future.done():
                    future.set_result(receipt)
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)

    def find(self, name: str) -> Receipt | None:
        return self._kept.get(name)

    async def wait(self, name: str, timeout_s: float) -> Receipt | None:
        """The receipt, or None when it does not come in time."""
        known = self._kept.get(name)
        if known is not None or timeout_s <= 0:
            return known
        if self._count >= WAITING_MAX:
            raise TooManyWait(f"{WAITING_MAX} callers wait for receipts already")
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, []).append(future)
        self._count += 1
        try:
            done, _ = await asyncio.wait({future}, timeout=timeout_s)
            return future.result() if done else None
        finally:
            self._forget(name, future)

    def _forget(self, name: str, future: asyncio.Future[Receipt]) -> None:
        self._count -= 1
        self._waiting[name].remove(future)
        if not self._waiting[name]:
            del self._waiting[name]
