"""Which story a payout or refund belongs to, as a fold of the receipts.

A refund belongs to its contract. A payout takes from a balance in which the money of several contracts may
have met: when one contract alone has paid into it since it was last empty, the payout belongs to that
story; else it is a story of its own, linked to those that it came from. Every follower computes the same
from the same blocks.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, MutableMapping
from typing import Final, TypeVar

from msgspec import Struct, field

from sps.chain.receipt import OK, Receipt
from sps.identifiers import CONTRACT, PAYOUT
from sps.ledger.journal import Posting

SELLERS_MAX: Final = 10_000
ORDERS_MAX: Final = 20_000
MET_MAX: Final = 16
"""Contracts that are remembered of one balance; the newest count."""
_PAYABLE: Final = "2100"
_PAYOUT_IN_TRANSIT: Final = "2300"
_REFUND_IN_TRANSIT: Final = "2310"

Value = TypeVar("Value")


class Release(Struct, frozen=True):
    """A contract that paid into a balance, and the receipt that did it last."""

    contract: str
    height: int
    index: int


class _Balance(Struct):
    """What a seller may take out, by currency, and where it came from."""

    minor: dict[str, int] = field(default_factory=dict)
    releases: dict[str, Release] = field(default_factory=dict)


class Stories:
    """Feed it all receipts in order; bounded, the oldest is forgotten and then tells a story of its own."""

    def __init__(self) -> None:
        self._balances: Final[OrderedDict[str, _Balance]] = OrderedDict()
        self._orders: Final[OrderedDict[str, tuple[str, tuple[Release, ...]]]] = OrderedDict()

    def told(self, receipts: Iterable[Receipt]) -> None:
        """Take the receipts of the next block."""
        for receipt in receipts:
            if receipt.code == OK and receipt.journals:
                self._take(receipt)

    def of(self, subject: str) -> str:
        """The story of a contract, payout, refund or quote; empty for what has none."""
        known = self._orders.get(subject)
        return known[0] if known else subject

    def behind(self, order: str) -> tuple[Release, ...]:
        """The releases that an order pays out."""
        known = self._orders.get(order)
        return known[1] if known else ()

    def of_seller(self, seller: str) -> tuple[Release, ...]:
        """The releases that the seller's balance came from, the newest last."""
        balance = self._balances.get(seller)
        return tuple(balance.releases.values()) if balance else ()

    def _take(self, receipt: Receipt) -> None:
        touched: set[str] = set()
        for posting in (posting for journal in receipt.journals for posting in journal.postings):
            code, _, rest = posting.account.partition("/")
            owner = rest.partition("/")[0]
            if code == _PAYABLE:
                self._move(owner, posting, receipt)
                touched.add(owner)
            elif posting.amount < 0 and code in {_PAYOUT_IN_TRANSIT, _REFUND_IN_TRANSIT}:
                self._order(owner, code, touched or _owners(receipt), receipt)
        for seller in touched:
            balance = self._balances.get(seller)
            if balance is not None and not any(balance.minor.values()):
                del self._balances[seller]

    def _move(self, seller: str, posting: Posting, receipt: Receipt) -> None:
        balance = self._balances.setdefault(seller, _Balance())
        _forget(self._balances, SELLERS_MAX)
        balance.minor[posting.currency] = balance.minor.get(posting.currency, 0) - posting.amount
        if posting.amount < 0 and receipt.subject.startswith(f"{CONTRACT}_"):
            balance.releases.pop(receipt.subject, None)
            balance.releases[receipt.subject] = Release(receipt.subject, receipt.height, receipt.index)
            _forget(balance.releases, MET_MAX)

    def _order(self, order: str, code: str, sellers: Iterable[str], receipt: Receipt) -> None:
        releases: tuple[Release, ...] = ()
        if code == _PAYOUT_IN_TRANSIT and receipt.subject.startswith(f"{PAYOUT}_"):
            releases = tuple(release for seller in sellers for release in self.of_seller(seller))
        self._orders[order] = (story_of(releases) or receipt.subject, releases)
        _forget(self._orders, ORDERS_MAX)


def story_of(releases: tuple[Release, ...]) -> str:
    """The one contract behind a balance; nothing when several met."""
    return releases[0].contract if len(releases) == 1 else ""


def _owners(receipt: Receipt) -> Iterator[str]:
    for journal in receipt.journals:
        for posting in journal.postings:
            code, _, rest = posting.account.partition("/")
            if code == _PAYABLE:
                yield rest.partition("/")[0]


def _forget(known: MutableMapping[str, Value], most: int) -> None:
    while len(known) > most:
        del known[next(iter(known))]
