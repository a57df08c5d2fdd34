"""Executes final blocks in height order, as soon as their batches are here, and reports the results.

Works from the block store, so that a restart and a normal run take one way. A result that differs from what a
final header says is a defect: this node computes something else than the committee, and must stop.
"""

import asyncio
import time
from typing import Final

from consensus_node.application.fetching import Fetcher
from consensus_node.application.inbox import Inbox, SteadyClock
from consensus_node.application.intake import Intake
from consensus_node.application.ports import BatchKeeper, BlockKeeper, Outcome, StateMachine
from consensus_node.core.config import HEADERS_KEPT_MAX
from consensus_node.core.inputs import Executed
from consensus_node.metrics import NodeMetrics
from sps.chain.batch import Batch
from sps.chain.block import Committed, decode_committed
from sps.chain.header import BatchRef, Header
from sps.runtime.errors import Defect
from sps.runtime.probe import Probe

LOOK_AGAIN_S: Final = 0.5
"""A block waits for a missing batch: how often to look whether it came."""
AHEAD_BLOCKS: Final = 64
"""What so many blocks lack is asked for at once: nobody waits for one batch to learn of the next."""
REPLAY_BLOCKS: Final = 1_024
"""Blocks that are read from the store at once, at the start."""
REPLAY_BREATH: Final = 64
"""Blocks replayed before the loop may do something else."""


GIVE_WAY_MAX: Final = 8
"""Turns of the loop that execution lets pass, at most, between two slices."""
QUIET_S: Final = 0.0001
"""A turn in which nobody else had anything to do is shorter."""


async def give_way() -> None:
    """Return when nobody else has anything to do now, or after some turns of the loop in any case."""
    for _ in range(GIVE_WAY_MAX):
        began = time.perf_counter()
        await asyncio.sleep(0)
        if time.perf_counter() - began < QUIET_S:
            return


class Executor:
    """One per node."""

    def __init__(
        self,
        machine: StateMachine,
        lag: int,
        blocks: BlockKeeper,
        batches: BatchKeeper,
        inbox: Inbox,
        clock: SteadyClock,
        metrics: NodeMetrics,
        probe: Probe,
    ) -> None:
        self._machine = machine
        self._blocks = blocks
        self._batches = batches
        self._inbox = inbox
        self._clock = clock
        self._metrics = metrics
        self._probe = probe
        self._woken = asyncio.Event()
        self._kept_max = lag + HEADERS_KEPT_MAX
        self._newest = machine.outcome()
        self._kept = {self._newest.height: self._newest}
        self.cursors: dict[int, tuple[int, bytes]] = {}
        """Of each producer the newest executed batch: its number and digest."""

    @property
    def newest(self) -> Outcome:
        return self._newest

    def wake(self) -> None:
        """There is a new block, or a batch that one waited for."""
        self._woken.set()

    async def replay(self) -> None:
        """At the start: execute what the stores hold; ends early at a block whose batches are missing.

        Nothing is verified again: it was before it was stored, and what was stored has checksums.
        """
        while records := self._blocks.records(self._machine.height + 1, REPLAY_BLOCKS):
            for raw in records:
                committed = decode_committed(raw)
                found, missing = self._find(committed)
                if missing:
                    return
                self._execute(committed, found)
                if not committed.header.height % REPLAY_BREATH:
                    await asyncio.sleep(0)
        self._metrics.height.set(self._newest.height)

    def report(self) -> None:
        """Right after the replica's start: tell it the newest results.

        Later headers repeat more than the last `lag` of them where drain blocks stand between.
        """
        for outcome in list(self._kept.values()):
            self._tell(outcome)

    async def work(self, intake: Intake, fetcher: Fetcher) -> None:
        """Execute what comes, for ever."""
        intake.when_found(self.wake)
        while True:
            while self._machine.height < self._blocks.height:
                committed = self._blocks.block(self._machine.height + 1)
                found, missing = self._find(committed)
                if missing:
                    intake.want(self._missing_ahead())
                    fetcher.want_batches()
                    break
                self._tell(await self._measured(committed, found))
                self._probe("node.executed")
                await give_way()
            await self._wait()

    def _find(self, committed: Committed) -> tuple[list[Batch], list[BatchRef]]:
        found: list[Batch] = []
        missing: list[BatchRef] = []
        for ref in committed.refs:
            batch = self._batches.batch(ref.digest)
            if batch is None:
                missing.append(ref)
            else:
                found.append(batch)
        return found, missing

    def _missing_ahead(self) -> list[BatchRef]:
        """What the next blocks lack, the nearest last: what is asked for last is fetched first."""
        first = self._machine.height + 1
        last = min(self._blocks.height, first + AHEAD_BLOCKS - 1)
        blocks = (self._blocks.block(height) for height in range(last, first - 1, -1))
        return [ref for block in blocks for ref in block.refs if ref.digest not in self._batches]

    async def _measured(self, committed: Committed, batches: list[Batch]) -> Outcome:
        began = time.perf_counter()
        outcome = await self._execute_in_slices(committed, batches)
        self._metrics.execution.observe(time.perf_counter() - began)
        self._metrics.height.set(outcome.height)
        self._metrics.transactions.inc(committed.header.tx_count)
        return outcome

    def _execute(self, committed: Committed, batches: list[Batch]) -> Outcome:
        self._compare(committed.header)
        return self._keep(committed, self._machine.execute(committed, batches))

    async def _execute_in_slices(self, committed: Committed, batches: list[Batch]) -> Outcome:
        """Between two slices everything else may run: votes do not wait for the execution of a block."""
        self._compare(committed.header)
        slices = self._machine.execute_in_slices(committed, batches)
        while True:
            try:
                next(slices)
            except StopIteration as end:
                return self._keep(committed, end.value)
            await give_way()

    def _keep(self, committed: Committed, outcome: Outcome) -> Outcome:
        self._newest = self._kept[outcome.height] = outcome
        self._kept.pop(outcome.height - self._kept_max, None)
        for ref in committed.refs:
            self.cursors[ref.producer_id] = (ref.seq, ref.digest)
        return outcome

    def _compare(self, header: Header) -> None:
        ours = self._kept.get(header.exec_height)
        if ours is None or (ours.app_hash, ours.results_root) == (header.app_hash, header.results_root):
            return
        raise Defect(f"the result of height {ours.height} is not the one that block {header.height} names")

    def _tell(self, outcome: Outcome) -> None:
        self._inbox.put(
            Executed(
                self._clock.now_ms(),
                outcome.height,
                outcome.app_hash,
                outcome.results_root,
                outcome.changed,
                outcome.next_deadline_ms,
            )
        )

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(LOOK_AGAIN_S):
                await self._woken.wait()
        except TimeoutError:
            return
        finally:
            self._woken.clear()
