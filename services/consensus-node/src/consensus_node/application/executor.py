"""Executes final blocks in height order, as soon as their batches are here, and reports the results.

Works from the block store, so that a restart and a normal run take one way. A result that differs from what a
final header says is a defect: this node computes something else than the committee, and must stop.
"""

import asyncio
import time
from collections import deque
from typing import Final

from consensus_node.application.fetching import Fetcher
from consensus_node.application.inbox import Inbox, SteadyClock
from consensus_node.application.intake import Intake
from consensus_node.application.ports import BatchKeeper, BlockKeeper, Outcome, StateMachine
from consensus_node.core.config import HEADERS_KEPT_MAX
from consensus_node.core.inputs import Executed
from consensus_node.metrics import NodeMetrics
from sps.chain.batch import Batch
from sps.chain.block import Committed
from sps.chain.header import BatchRef, Header
from sps.runtime.errors import Defect
from sps.runtime.probe import Probe

LOOK_AGAIN_S: Final = 0.5
"""A block waits for a missing batch: how often to look whether it came."""
REPLAY_BREATH: Final = 50
"""Blocks replayed before the loop may do something else."""


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
        self._newest: deque[Outcome] = deque([machine.outcome()], maxlen=lag + HEADERS_KEPT_MAX)

    @property
    def newest(self) -> Outcome:
        return self._newest[-1]

    def wake(self) -> None:
        """There is a new block, or a batch that one waited for."""
        self._woken.set()

    async def replay(self) -> None:
        """At the start: execute what the stores hold; ends early at a block whose batches are missing."""
        while self._machine.height < self._blocks.height:
            committed = self._blocks.block(self._machine.height + 1)
            found, missing = self._find(committed)
            if missing:
                return
            self._execute(committed, found)
            if committed.header.height % REPLAY_BREATH == 0:
                await asyncio.sleep(0)

    def report(self) -> None:
        """Right after the replica's start: tell it the newest results.

        Later headers repeat more than the last `lag` of them where drain blocks stand between.
        """
        for outcome in list(self._newest):
            self._tell(outcome)

    async def work(self, intake: Intake, fetcher: Fetcher) -> None:
        """Execute what comes, for ever."""
        while True:
            while self._machine.height < self._blocks.height:
                committed = self._blocks.block(self._machine.height + 1)
                found, missing = self._find(committed)
                if missing:
                    intake.want(missing)
                    fetcher.want_batches()
                    break
                self._tell(self._execute(committed, found))
                self._probe("node.executed")
                await asyncio.sleep(0)
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

    def _execute(self, committed: Committed, batches: list[Batch]) -> Outcome:
        header = committed.header
        self._compare(header)
        began = time.perf_counter()
        outcome = self._machine.execute(committed, batches)
        self._metrics.execution.observe(time.perf_counter() - began)
        self._metrics.height.set(header.height)
        self._metrics.transactions.inc(header.tx_count)
        self._newest.append(outcome)
        return outcome

    def _compare(self, header: Header) -> None:
        for outcome in self._newest:
            if outcome.height == header.exec_height and (outcome.app_hash, outcome.results_root) != (
                header.app_hash,
                header.results_root,
            ):
                raise Defect(
                    f"the result of height {outcome.height} is not the one that block {header.height} names"
                )

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
