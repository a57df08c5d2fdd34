"""The state of the chain: a container of frozen values that only `sps.chain.execution` changes.

It is a pure fold of the blocks; two holders of the same blocks hold the same state, whatever the order in
which their dictionaries grew. What is kept for ever is bounded by the number of facts, never by time.
"""

import heapq
from typing import Final

from msgspec import Struct

from sps.chain.binary import ZERO_HASH
from sps.chain.genesis import EXECUTION_LAG_MAX, FxRules, Genesis, chain_id, genesis_bytes
from sps.chain.header import GENESIS_HEIGHT, genesis_block_id
from sps.escrow.clocks import QUOTE
from sps.escrow.state import Contract, Deadline, Payin, Payout, Quote, RateSnapshot, Sweep
from sps.ledger import postings
from sps.ledger.journal import Journal

RESULTS_KEPT: Final = 2 * EXECUTION_LAG_MAX
"""How many of the newest heights have their result at hand; a header carries that of one lag below."""

HEAP_SLACK: Final = 10_000
"""Stale entries of the deadline heap that are always tolerated, before it is swept."""

HeapEntry = tuple[int, str, str, str]
"""(due in block time ms, contract or quote, kind, subject): the order in which deadlines fire."""


class BlockResult(Struct, frozen=True):
    """What executing one height gave; `touched` are the keys of the values written, balances left out."""

    height: int
    app_hash: bytes
    results_root: bytes
    touched: tuple[str, ...] = ()


class ChainState:
    """Everything that execution knows. Also the `ChainView` that decisions read."""

    def __init__(self, genesis: Genesis) -> None:
        self.genesis: Final = genesis
        self.chain_id: Final = chain_id(genesis_bytes(genesis))
        self.approvers: Final = frozenset(genesis.approvers)
        self.height = GENESIS_HEIGHT
        self.time_ms = genesis.created_ms
        self.block_id = genesis_block_id(self.chain_id)
        self.contracts: dict[str, Contract] = {}
        self.payouts: dict[str, Payout] = {}
        self.quotes: dict[str, Quote] = {}
        self.tags: dict[str, tuple[str, str]] = {}
        self.payments: dict[str, str] = {}
        self.orphans: dict[str, Payin] = {}
        self.sweeps: dict[str, Sweep] = {}
        self.balances: dict[str, int] = {}
        self.rates: RateSnapshot | None = None
        self.cursors: dict[int, tuple[int, bytes]] = {}
        self.results: dict[int, BlockResult] = {}
        self.app_hash = ZERO_HASH
        self.receipt_index = 0
        self.heap: list[HeapEntry] = []
        self.deadline_count = 0
        """Running deadlines of contracts and quotes; the heap may hold stale ones beside them."""

    @property
    def fx(self) -> FxRules:
        """The bounds on reference rates."""
        return self.genesis.fx

    @property
    def position(self) -> str:
        """`height/index` of the receipt that is being made."""
        return f"{self.height}/{self.receipt_index}"

    def result_of(self, height: int) -> BlockResult:
        """The result of one of the newest heights; `KeyError` when it is too old or not executed yet."""
        return self.results[height]

    @property
    def app_hashes(self) -> dict[int, bytes]:
        """The application hashes of the newest heights."""
        return {height: result.app_hash for height, result in self.results.items()}

    def next_deadline_ms(self) -> int | None:
        """When the next deadline is due, in block time; None while none runs."""
        heap = self.heap
        while heap and not self._runs(heap[0]):
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def pop_due(self, now_ms: int) -> tuple[str, Deadline] | None:
        """Take the oldest deadline that is due; it still runs until its owner is written again."""
        heap = self.heap
        while heap and heap[0][0] <= now_ms:
            entry = heapq.heappop(heap)
            if self._runs(entry):
                due_ms, owner, kind, subject = entry
                return owner, Deadline(due_ms, kind, subject)
        return None

    def put_contract(self, contract: Contract) -> None:
        """Write a contract and start its new deadlines."""
        old = self.contracts.get(contract.id)
        self.contracts[contract.id] = contract
        before = old.deadlines if old is not None else ()
        now = contract.deadlines
        if now is before:
            return
        self.deadline_count += len(now) - len(before)
        for deadline in now:
            if deadline not in before:
                entry = (deadline.due_ms, contract.id, deadline.kind, deadline.subject)
                heapq.heappush(self.heap, entry)
        self._sweep()

    def put_quote(self, quote: Quote) -> None:
        """Write a quote and start or stop its expiry."""
        old = self.quotes.get(quote.id)
        self.quotes[quote.id] = quote
        self.deadline_count += _waits(quote) - (old is not None and _waits(old))
        if _waits(quote) and (old is None or old.expires_ms != quote.expires_ms):
            heapq.heappush(self.heap, (quote.expires_ms, quote.id, QUOTE, ""))

    def keep_result(self, result: BlockResult) -> None:
        """Remember a height's result, and forget the oldest."""
        self.app_hash = result.app_hash
        self.results[result.height] = result
        self.results.pop(result.height - RESULTS_KEPT, None)

    def _runs(self, entry: HeapEntry) -> bool:
        due_ms, owner, kind, subject = entry
        if kind == QUOTE:
            quote = self.quotes[owner]
            return _waits(quote) and quote.expires_ms == due_ms
        return Deadline(due_ms, kind, subject) in self.contracts[owner].deadlines

    def _sweep(self) -> None:
        if len(self.heap) > 2 * self.deadline_count + HEAP_SLACK:
            self.heap = [entry for entry in self.heap if self._runs(entry)]
            heapq.heapify(self.heap)


def _waits(quote: Quote) -> bool:
    return quote.state in {"requested", "locked"}


def opening_journals(genesis: Genesis) -> tuple[Journal, ...]:
    """P84: the operator's own money at the providers when the chain begins."""
    return tuple(
        postings.p84(opening.provider, opening.currency, int(opening.minor)) for opening in genesis.floats
    )
