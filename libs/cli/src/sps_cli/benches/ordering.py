"""What ordering costs one validator: everything between a batch on the log and a final block on its disk.

Four replicas with real keys talk in one process; only the work of seat 0 is timed, with the node's own
intake, stores, codec and core: check and store batches, read them back for execution, decode and encode
messages, all signatures, write-ahead records, the final block. Not in it: the log's client, the sync (given
apart), and execution.
"""

import gc
import hashlib
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Final

from msgspec import Struct

from consensus_node.core.effects import Deliver, Persist, Publish, PublishCommitted, Wake
from consensus_node.core.inputs import BatchStored, CommittedLearned, Executed, Input, Received, Start, Tick
from consensus_node.core.wire import decode_message, encode_message
from sps.chain.batch import FIRST_PREV_DIGEST, Batch, digest, encode_batch, seal
from sps.chain.block import Committed, decode_committed, encode_committed
from sps.chain.header import ref_of
from sps_cli.benches.figures import Effort, Figure, Stopwatch, Told, median
from sps_cli.benches.ordering_seat import BatchDesk, Seat, Shelf, Town

PART: Final = "ordering"
TARGET_US: Final = 6.0
BATCH_TX: Final = 500
TX_BYTES: Final = 300
BATCHES_PER_BLOCK: Final = (1, 4)
BLOCK_MS: Final = 25
VALIDATORS: Final = 4
PRODUCER: Final = 1
UNIT: Final = "µs CPU/tx"


class Said(Struct, frozen=True):
    """A record of the consensus topic, or of the blocks topic."""

    raw: bytes
    block: bool = False


class Scene:
    """Four seats, one producer; seat 0 is the one on the scales."""

    def __init__(self, town: Town, shelf: Shelf, desk: BatchDesk) -> None:
        self.town, self.shelf, self.desk = town, shelf, desk
        self.now_ms = town.genesis.created_ms + 1_000
        self.batches, self.core = Stopwatch(), Stopwatch()
        self.delivered = 0
        self._seats = [Seat(town, index) for index in range(VALIDATORS)]
        self._waiting: deque[tuple[int, Input | Said]] = deque()
        self._seq, self._previous = 0, FIRST_PREV_DIGEST

    async def start(self) -> None:
        for seat in self._seats:
            self._waiting.append((seat.index, Start(self.now_ms)))
            self._waiting.append((seat.index, Executed(self.now_ms, 0, bytes(32), bytes(32), False)))
        await self._talk()

    async def block(self, batches: int) -> None:
        """New batches arrive; go on until all seats hold them in a final block."""
        made = [self._batch() for _ in range(batches)]
        with self.batches:
            await self.desk.accept([encode_batch(batch) for batch in made], self.now_ms)
        for batch in made:
            stored = BatchStored(self.now_ms, ref_of(batch.header), batch.header.prev_digest)
            self._waiting += ((seat.index, stored) for seat in self._seats)
        goal = self.delivered + batches
        await self._talk()
        while self.delivered < goal:
            self.now_ms += BLOCK_MS
            for seat in self._seats:
                if seat.wake_ms is not None and seat.wake_ms <= self.now_ms:
                    self._waiting.append((seat.index, Tick(self.now_ms)))
            await self._talk()

    def _batch(self) -> Batch:
        self._seq += 1
        start = self._seq * BATCH_TX
        made = [
            hashlib.sha256(b"%d" % n).hexdigest().encode().ljust(TX_BYTES, b".")
            for n in range(start, start + BATCH_TX)
        ]
        signer, chain = self.town.producer, self.town.chain_id
        batch = seal(signer, chain, PRODUCER, self._seq, self._previous, made, self.now_ms)
        self._previous = digest(batch.header)
        return batch

    async def _talk(self) -> None:
        while self._waiting:
            index, item = self._waiting.popleft()
            if index:
                await self._take(self._seats[index], item)
            else:
                with self.core:
                    await self._take(self._seats[0], item)

    async def _take(self, seat: Seat, item: Input | Said) -> None:
        news = self._read(seat, item) if isinstance(item, Said) else item
        for effect in () if news is None else seat.replica.step(news):
            match effect:
                case Persist(records=records):
                    await seat.remember(records, self.shelf.wal)
                case Publish(message=message):
                    self._say(Said(encode_message(message)))
                case PublishCommitted(committed=committed):
                    self._say(Said(encode_committed(committed), block=True))
                case Deliver(committed=committed):
                    self._deliver(seat, committed)
                case Wake(at_ms=at_ms):
                    seat.wake_ms = at_ms
                case _:
                    pass

    def _say(self, said: Said) -> None:
        """Everybody hears it, the speaker too."""
        self._waiting += ((each.index, said) for each in self._seats)

    def _read(self, seat: Seat, said: Said) -> Input | None:
        if not said.block:
            return Received(self.now_ms, decode_message(said.raw))
        committed = decode_committed(said.raw)
        return CommittedLearned(self.now_ms, committed) if committed.header.height > seat.height else None

    def _deliver(self, seat: Seat, committed: Committed) -> None:
        height = seat.height = committed.header.height
        if seat.index == 0:
            self.shelf.blocks.append(committed)
            self.desk.intake.ordered(committed.refs)
            for ref in committed.refs:
                self.shelf.unsynced.batch(ref.digest)
            self.delivered += len(committed.refs)
        name = hashlib.sha256(b"%d" % height).digest()
        self._waiting.append((seat.index, Executed(self.now_ms, height, name, name, bool(committed.refs))))


async def measure(effort: Effort, told: Told) -> list[Figure]:
    """Rounds of blocks with one batch each and with four; the median of the rounds."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        town = Town(Path(folder), VALIDATORS)
        for per_block in BATCHES_PER_BLOCK:
            told(f"ordering {BATCH_TX} transactions of {TX_BYTES} B per batch, {per_block} in a block")
            figures += await _rounds(town, Path(folder) / str(per_block), per_block, effort)
        told("syncs of the disk")
        figures += await _syncs(town, Path(folder) / "sync", effort)
    return figures


async def _rounds(town: Town, folder: Path, per_block: int, effort: Effort) -> list[Figure]:
    blocks, rounds = effort.of(80, 8) // per_block, effort.of(7, 1)
    batch_us, core_us = [], []
    async with Shelf.opened(folder, town.chain_id) as shelf:
        scene = Scene(town, shelf, BatchDesk(town, shelf))
        await scene.start()
        await scene.block(per_block)
        for _ in range(rounds):
            gc.collect()
            scene.batches, scene.core = Stopwatch(), Stopwatch()
            for _ in range(blocks):
                await scene.block(per_block)
            count = blocks * per_block * BATCH_TX
            batch_us.append(scene.batches.us_per(count))
            core_us.append(scene.core.us_per(count))
    total = [one + two for one, two in zip(batch_us, core_us, strict=True)]
    n, how = rounds * count, f"{per_block} batch{'es' if per_block > 1 else ''} a block"
    return [
        Figure(PART, f"ordering, {how}", round(median(total), 2), UNIT, n, TARGET_US, "at most"),
        Figure(PART, f"ordering, {how}: check and store batches", round(median(batch_us), 2), UNIT, n),
        Figure(PART, f"ordering, {how}: consensus and block", round(median(core_us), 2), UNIT, n),
    ]


async def _syncs(town: Town, folder: Path, effort: Effort) -> list[Figure]:
    """Wall time of one sync of the batch file after one batch: the disk's part, shared by all that waits."""
    times = []
    async with Shelf.opened(folder, town.chain_id) as shelf:
        previous = FIRST_PREV_DIGEST
        for seq in range(1, effort.of(60, 5) + 1):
            raw = [bytes([seq]) * TX_BYTES] * BATCH_TX
            batch = seal(town.producer, town.chain_id, PRODUCER, seq, previous, raw, 0)
            previous = digest(batch.header)
            shelf.batches.append(previous, batch)
            began = time.perf_counter()
            await shelf.batches.sync()
            times.append((time.perf_counter() - began) * 1_000)
    return [Figure(PART, "sync of one stored batch, p50 (wall)", round(median(times), 2), "ms", len(times))]
