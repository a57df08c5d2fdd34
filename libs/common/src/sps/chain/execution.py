"""Executing a block: due deadlines first, then the transactions in order (`docs/protocol.md`, execution).

Deterministic and total: whatever was ordered gives receipts. A batch that contradicts its header is void
as a whole, a transaction that cannot be read or is refused is recorded with its code; neither changes
anything. Only a `Defect`, a broken invariant of ours, stops execution, before the result is stated.

app_hash(h) = SHA-256("exec" | app_hash(h-1) | height 8 | write digest | results root); a height that wrote
nothing and has no receipts keeps the hash. The write digest is one SHA-256 over the write set: hashes of
values, names and balances, each in the order in which the block first wrote them, which all nodes share.
"""

import hashlib
from collections.abc import Generator, Iterator, Sequence
from typing import Final

import msgspec

from sps.chain import merkle
from sps.chain.batch import Batch, decode_payload
from sps.chain.binary import ZERO_HASH, Malformed
from sps.chain.genesis import Genesis
from sps.chain.header import FLAG_DRAIN, BatchRef, Header, block_id
from sps.chain.receipt import OK, Receipt, receipt_leaf
from sps.chain.state import BlockResult, ChainState, opening_journals
from sps.escrow.change import Change
from sps.escrow.decide import DECISIONS, fire
from sps.escrow.refusals import REFUSALS, Defect, Refused
from sps.escrow.state import Value, encode
from sps.ledger.accounts import CODE_LENGTH, GUARDS, Guard
from sps.ledger.journal import Journal
from sps.transactions.codec import BadTransaction
from sps.transactions.codec import decode as decode_transaction
from sps.transactions.vocabulary import ROLE_OF, Fact, Transaction

DEADLINES_PER_BLOCK_MAX: Final = 1_000
"""Deadlines that fire in one block; later ones wait for the next, oldest first."""

SLICE_TRANSACTIONS: Final = 64
"""A slice of `execute_in_slices` takes between one and two milliseconds."""

MALFORMED: Final = "MALFORMED"
NOT_AUTHORISED: Final = "NOT_AUTHORISED"
VOID_BATCH: Final = "VOID_BATCH"

_EXEC_TAG: Final = b"exec"
_write_set: Final = msgspec.msgpack.Encoder()
_sha256: Final = hashlib.sha256

_NEVER_POSITIVE: Final = frozenset(c for c, g in GUARDS.items() if g is Guard.NEVER_POSITIVE)
_NEVER_NEGATIVE: Final = frozenset(c for c, g in GUARDS.items() if g is Guard.NEVER_NEGATIVE)

_KIND_OF: Final[dict[type[Fact], str]] = {kind: str(kind.__struct_config__.tag) for kind in ROLE_OF}

_SUBJECTS: Final = ("quote", "payout", "contract", "payment", "document", "sweep")
"""The field that names what a fact is about, in the order in which it is looked for."""

_SUBJECT_OF: Final[dict[type[Fact], str]] = {
    kind: next(name for name in _SUBJECTS if name in kind.__struct_fields__) for kind in ROLE_OF
}


def new_state(genesis: Genesis) -> ChainState:
    """The state before the first block: the operator's floats and nothing else."""
    state = ChainState(genesis)
    block = _Block(state)
    for journal in opening_journals(genesis):
        block.post(journal)
    block.close()
    return state


def execute(
    state: ChainState, header: Header, refs: Sequence[BatchRef], batches: Sequence[Batch]
) -> tuple[Receipt, ...]:
    """Execute the next block; `batches` are those of `refs`, in order. Changes `state` in place."""
    slices = execute_in_slices(state, header, refs, batches)
    while True:
        try:
            next(slices)
        except StopIteration as end:
            receipts: tuple[Receipt, ...] = end.value
            return receipts


def execute_in_slices(
    state: ChainState, header: Header, refs: Sequence[BatchRef], batches: Sequence[Batch]
) -> Generator[None, None, tuple[Receipt, ...]]:
    """The same, with a pause after every `SLICE_TRANSACTIONS`, for a loop that has other things to do.

    The state belongs to nobody else before the end: between two slices it is half a block further.
    """
    if header.height != state.height + 1 or header.time_ms < state.time_ms or len(refs) != len(batches):
        raise Defect(f"height {header.height} does not follow {state.height}")
    state.height, state.time_ms = header.height, header.time_ms
    block = _Block(state)
    if not header.flags & FLAG_DRAIN:  # no header repeats a drain block's results, so it must have none
        block.fire_deadlines()
    for ref, batch in zip(refs, batches, strict=True):
        yield from block.run_batch(ref, batch)
        state.cursors[ref.producer_id] = (ref.seq, ref.digest)
    state.block_id = block_id(header)
    return block.close()


class _Block:
    """One block's work: what it wrote and the receipts it makes.

    Values and receipts are hashed as soon as they are made, while the processor's cache still holds them.
    """

    __slots__ = (
        "_balances",
        "_hashes",
        "_height",
        "_leaves",
        "_names",
        "_now_ms",
        "_receipts",
        "_roles",
        "_state",
    )

    def __init__(self, state: ChainState) -> None:
        self._state = state
        self._height = state.height
        self._now_ms = state.time_ms
        self._receipts: list[Receipt] = []
        self._leaves: list[bytes] = []
        self._hashes: dict[str, str] = {}
        """Key of each value written to the hex SHA-256 of its encoding."""
        self._names: dict[str, str] = {}
        self._balances: dict[str, int] = {}
        self._roles = {producer.id: producer.role for producer in state.genesis.producers}
        state.receipt_index = 0

    # --- deadlines -----------------------------------------------------------------------------

    def fire_deadlines(self) -> None:
        """Let due deadlines act, oldest first."""
        state = self._state
        for _ in range(DEADLINES_PER_BLOCK_MAX):
            due = state.pop_due(self._now_ms)
            if due is None:
                return
            owner, deadline = due
            change = fire(state, owner, deadline, self._now_ms)
            self._accept(f"deadline.{deadline.kind}", "", change)

    # --- transactions --------------------------------------------------------------------------

    def run_batch(self, ref: BatchRef, batch: Batch) -> Iterator[None]:
        """Execute a batch in order, slice by slice, or void it as a whole."""
        role = self._roles.get(ref.producer_id)
        transactions = _transactions_of(ref, batch)
        if transactions is None or role is None:
            self._refuse("batch", VOID_BATCH, f"{ref.producer_id}/{ref.seq}")
            return
        for start in range(0, len(transactions), SLICE_TRANSACTIONS):
            self._run_slice(transactions[start : start + SLICE_TRANSACTIONS], role)
            yield

    def _run_slice(self, transactions: Sequence[bytes], role: str) -> None:
        """All is read before the first is decided: the same code over and over again stays in the cache."""
        hashes = [_sha256(raw).hexdigest() for raw in transactions]
        for fact, hashed in zip([_fact_of(raw) for raw in transactions], hashes, strict=True):
            if fact is None:
                self._refuse("malformed", MALFORMED, "", hashed)
            else:
                self._run(fact, hashed, role)

    def _run(self, fact: Transaction, hashed: str, role: str) -> None:
        kind = type(fact)
        if ROLE_OF[kind] != role:
            self._refuse(_KIND_OF[kind], NOT_AUTHORISED, getattr(fact, _SUBJECT_OF[kind]), hashed)
            return
        try:
            change = DECISIONS[kind](self._state, fact, self._now_ms)
        except Refused as refusal:
            subject = getattr(fact, _SUBJECT_OF[kind])
            self._refuse(_KIND_OF[kind], refusal.code, subject, hashed, refusal.message)
            return
        self._accept(_KIND_OF[kind], hashed, change)

    # --- receipts ------------------------------------------------------------------------------

    def _refuse(self, kind: str, code: str, subject: str, hashed: str = "", message: str = "") -> None:
        index = self._state.receipt_index
        self._record(
            Receipt(self._height, index, kind, code, subject, hashed, message=message or REFUSALS[code])
        )

    def _accept(self, kind: str, hashed: str, change: Change) -> None:
        index = self._state.receipt_index
        version = self._write(change)
        subject = change.subject
        value = self._hashes.get(subject, "")
        self._record(
            Receipt(
                self._height, index, kind, OK, subject, hashed, version, value, change.rules, change.journals
            )
        )

    def _record(self, receipt: Receipt) -> None:
        self._receipts.append(receipt)
        self._leaves.append(receipt_leaf(receipt))
        self._state.receipt_index += 1

    # --- writing -------------------------------------------------------------------------------

    def _write(self, change: Change) -> int:
        """Write a change; the version of its contract, 0 without one."""
        state, hashes = self._state, self._hashes
        version = 0
        for contract in change.contracts:
            state.put_contract(contract)
            hashes[contract.id] = _sha256(encode(contract)).hexdigest()
            version = contract.version
        for journal in change.journals:
            self.post(journal)
        for payout in change.payouts:
            state.payouts[payout.id] = payout
            hashes[payout.id] = _sha256(encode(payout)).hexdigest()
        for tag, parcel in change.tags:
            state.tags[tag] = parcel
            self._names[f"tag/{tag}"] = "/".join(parcel)
        for payment, contract_id in change.payments:
            state.payments[payment] = contract_id
            self._names[f"payment/{payment}"] = contract_id
        if change.quotes or change.orphans or change.sweeps or change.rates is not None:
            self._write_rare(change)
        return version

    def _write_rare(self, change: Change) -> None:
        state = self._state
        written: list[tuple[str, Value]] = []
        for quote in change.quotes:
            state.put_quote(quote)
            written.append((quote.id, quote))
        for payin in change.orphans:
            state.orphans[payin.id] = payin
            written.append((payin.id, payin))
        for sweep in change.sweeps:
            state.sweeps[sweep.id] = sweep
            written.append((sweep.id, sweep))
        if change.rates is not None:
            state.rates = change.rates
            written.append((change.rates.document, change.rates))
        for key, value in written:
            self._hashes[key] = _sha256(encode(value)).hexdigest()

    def post(self, journal: Journal) -> None:
        """Apply a journal; a broken guard is a defect, since a refusal has to come before it."""
        balances, written = self._state.balances, self._balances
        for posting in journal.postings:
            account = posting.account
            written[account] = balance = balances.get(account, 0) + posting.amount
            if balance > 0:
                if account[:CODE_LENGTH] in _NEVER_POSITIVE:
                    raise Defect(f"{journal.kind}: {account} would stand at {balance}")
                balances[account] = balance
            elif balance < 0:
                if account[:CODE_LENGTH] in _NEVER_NEGATIVE:
                    raise Defect(f"{journal.kind}: {account} would stand at {balance}")
                balances[account] = balance
            else:
                del balances[account]  # it was not zero before: no posting is zero

    # --- the result ----------------------------------------------------------------------------

    def close(self) -> tuple[Receipt, ...]:
        """State the block's result: the tree over its receipts, and one hash over what it wrote."""
        state = self._state
        app_hash, root = state.app_hash, ZERO_HASH
        if self._receipts or self._balances:
            if self._leaves:
                root = merkle.root_of_hashes(self._leaves)
            written = _write_set.encode((self._hashes, self._names, self._balances))
            height = state.height.to_bytes(8, "big")
            app_hash = _sha256(_EXEC_TAG + app_hash + height + _sha256(written).digest() + root).digest()
        state.keep_result(BlockResult(state.height, app_hash, root, tuple(self._hashes)))
        return tuple(self._receipts)


def _fact_of(raw: bytes) -> Transaction | None:
    """What a transaction's bytes say; None when they say nothing."""
    try:
        return decode_transaction(raw)
    except BadTransaction:
        return None


def _transactions_of(ref: BatchRef, batch: Batch) -> list[bytes] | None:
    """The batch's transactions; None when they are not what the header and the block's reference say."""
    try:
        transactions = decode_payload(batch.payload)
    except Malformed:
        return None
    if len(transactions) != ref.tx_count or merkle.root(transactions) != ref.tx_root:
        return None
    return transactions
