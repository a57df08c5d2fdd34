"""A long chain of small blocks with true results and real certificates, as a storm leaves it behind."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sps.chain.batch import FIRST_PREV_DIGEST, Batch, digest, encode_batch, seal
from sps.chain.binary import ZERO_HASH
from sps.chain.block import Committed, encode_committed
from sps.chain.certificate import certificate_of
from sps.chain.committee import committee_hash
from sps.chain.execution import execute, new_state
from sps.chain.header import FLAG_TIMER, BatchRef, Header, batches_root, block_id, cursors_root, ref_of
from sps.chain.vote import VoteKind, sign_vote
from sps.eventlog.port import EventLog, NewRecord
from sps.eventlog.topics import BLOCKS, TOPICS, TRANSACTIONS
from sps.runtime.projection import ExecutedBlock
from sps_cli.benches.figures import Stopwatch
from sps_cli.benches.ordering_seat import Town
from sps_cli.benches.programs import load_program

WORKLOAD: Final = "execution_bench.py"
STAGE_ROLES: Final = ("api", "api", "payment", "carrier", "carrier", "payment")
FULL_OF: Final = 2
"""Every second block holds a batch of one transaction; the others are empty: a storm's chain."""
BLOCK_MS: Final = 50
QUORUM: Final = 3
APPEND_MAX: Final = 500


class LongChain:
    """Grows block by block; keeps what each one is made of."""

    def __init__(self, town: Town, blocks: int) -> None:
        self.town: Final = town
        self.state: Final = new_state(town.genesis)
        self.blocks: Final[list[Committed]] = []
        self.batches: Final[list[Batch]] = []
        self.executing = Stopwatch()
        self._lanes = dict.fromkeys(town.producers, (0, FIRST_PREV_DIGEST))
        self._committee_hash = committee_hash(town.genesis.committee())
        work = _work(blocks // FULL_OF)
        for number in range(blocks):
            self.grow([self.seal(role, [raw]) for role, raw in [next(work)]] if number % FULL_OF else [])

    async def publish(self, log: EventLog) -> None:
        """Put all of it on a log."""
        for lane, records in self._lane_records().items():
            await _append(log, TRANSACTIONS, lane, records)
        await _append(log, BLOCKS, 0, [encode_committed(block) for block in self.blocks])

    def _lane_records(self) -> dict[int, list[bytes]]:
        lanes: dict[int, list[bytes]] = {}
        for batch in self.batches:
            lane = batch.header.producer_id % TOPICS[TRANSACTIONS].partitions
            lanes.setdefault(lane, []).append(encode_batch(batch))
        return lanes

    def seal(self, role: str, transactions: list[bytes]) -> Batch:
        """The next batch of the producer with this role."""
        seq, previous = self._lanes[role]
        number, signer = self.town.producers[role]
        batch = seal(signer, self.town.chain_id, number, seq + 1, previous, transactions, 0)
        self._lanes[role] = (seq + 1, digest(batch.header))
        return batch

    def grow(self, batches: Sequence[Batch]) -> ExecutedBlock:
        """The next block, of these batches, executed; time for that goes to `executing`."""
        refs = tuple(ref_of(batch.header) for batch in batches)
        header = self._header(refs)
        before = self.state.app_hash
        with self.executing:
            receipts = execute(self.state, header, refs, batches)
        committed = Committed(header, refs, (), certificate_of(self._votes(header)))
        self.blocks.append(committed)
        self.batches.extend(batches)
        return ExecutedBlock(
            block_id=block_id(header),
            committed=committed,
            batches=tuple(batches),
            receipts=tuple(receipts),
            state=self.state,
            previous_app_hash=before,
            app_hash=self.state.app_hash,
        )

    def _header(self, refs: Sequence[BatchRef]) -> Header:
        state = self.state
        height = state.height + 1
        said = max(0, height - self.town.genesis.parameters.execution_lag)
        result = state.result_of(said)
        cursors = state.cursors | {ref.producer_id: (ref.seq, ref.digest) for ref in refs}
        return Header(
            chain_id=state.chain_id,
            epoch=1,
            view=height,
            height=height,
            flags=0 if refs else FLAG_TIMER,
            parent_view=height - 1,
            parent_id=state.block_id,
            time_ms=state.time_ms + BLOCK_MS,
            proposer=height % len(self.town.signers),
            batches_root=batches_root(refs),
            batch_count=len(refs),
            tx_count=sum(ref.tx_count for ref in refs),
            exec_height=said,
            app_hash=result.app_hash if said else ZERO_HASH,
            results_root=result.results_root,
            cursors_root=cursors_root(cursors),
            committee_hash=self._committee_hash,
        )

    def _votes(self, header: Header) -> Iterator[Any]:
        name = block_id(header)
        for index in range(QUORUM):
            yield sign_vote(
                self.town.signers[index],
                self.town.chain_id,
                index,
                VoteKind.FINALIZE,
                1,
                header.view,
                header.height,
                name,
            )


def _work(count: int) -> Iterator[tuple[str, bytes]]:
    program: Any = load_program(WORKLOAD)
    contracts = -(-count // len(STAGE_ROLES))
    stages: Iterator[list[bytes]] = program.stages(contracts)
    for role, transactions in zip(STAGE_ROLES, stages, strict=True):
        for raw in transactions:
            yield role, raw


async def _append(log: EventLog, topic: str, partition: int, records: list[bytes]) -> None:
    for at in range(0, len(records), APPEND_MAX):
        await log.append(topic, partition, [NewRecord(b"", raw) for raw in records[at : at + APPEND_MAX]])
