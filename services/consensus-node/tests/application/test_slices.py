"""A block is executed in slices, and between two of them everything else of the node has its turn."""

import asyncio
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest
from chain_world import PRODUCER_OF, Deal, World
from prometheus_client import CollectorRegistry

from consensus_node.adapters.batch_store import BatchStore
from consensus_node.adapters.block_store import BlockStore
from consensus_node.adapters.disk import DiskThread
from consensus_node.application.executor import GIVE_WAY_MAX, Executor, give_way
from consensus_node.application.inbox import Inbox, SteadyClock
from consensus_node.application.intake import Intake
from consensus_node.application.machine import ContractMachine
from consensus_node.application.ports import Outcome
from consensus_node.core.inputs import Executed
from consensus_node.metrics import NodeMetrics
from sps.chain.batch import Batch
from sps.chain.binary import ZERO_HASH
from sps.chain.block import Committed
from sps.chain.certificate import Certificate
from sps.chain.execution import SLICE_TRANSACTIONS
from sps.chain.header import ref_of
from sps.chain.vote import VoteKind
from sps.runtime.clock import ManualClock
from sps.runtime.errors import Defect
from sps.runtime.probe import no_probe
from sps.transactions import codec

SLICES = 5


def big_block() -> tuple[World, Committed, tuple[Batch, ...]]:
    """More offers than one slice holds, in one block."""
    world = World()
    offers = [Deal(f"deal {n}").offer() for n in range(2 * SLICE_TRANSACTIONS + 1)]
    world.raw_block([(PRODUCER_OF["api"], [codec.encode(offer) for offer in offers])])
    ((header, batches),) = world.blocks
    return world, committed(header, batches), batches


def committed(header: object, batches: Sequence[Batch]) -> Committed:
    """Execution does not look at the certificate."""
    certificate = Certificate(VoteKind.FINALIZE, 1, 1, 1, ZERO_HASH, (0,), (bytes(64),))
    return Committed(header, tuple(ref_of(batch.header) for batch in batches), (), certificate)


def test_slices_give_what_the_whole_gives() -> None:
    world, block, batches = big_block()
    machine = ContractMachine(world.genesis)
    slices, pauses = machine.execute_in_slices(block, batches), 0
    while True:
        try:
            next(slices)
        except StopIteration as end:
            outcome = end.value
            break
        pauses += 1
    assert outcome == ContractMachine(world.genesis).execute(block, batches)
    assert outcome.app_hash == world.state.app_hash
    assert pauses == 3


def test_a_block_that_was_left_halfway_is_a_defect() -> None:
    world, block, batches = big_block()
    machine = ContractMachine(world.genesis)
    next(machine.execute_in_slices(block, batches))
    with pytest.raises(Defect, match="halfway"):
        next(machine.execute_in_slices(block, batches))


class SlicedMachine:
    """Notes how often others had their turn when each slice began."""

    def __init__(self) -> None:
        self.height = 0
        self.others = 0
        self.seen: list[int] = []

    def outcome(self) -> Outcome:
        return Outcome(self.height, ZERO_HASH, ZERO_HASH, changed=False, next_deadline_ms=None)

    def execute(self, block: Committed, batches: Sequence[Batch]) -> Outcome:
        raise AssertionError("a node that takes part executes in slices")

    def execute_in_slices(self, block: Committed, batches: Sequence[Batch]) -> Generator[None, None, Outcome]:
        for _ in range(SLICES):
            self.seen.append(self.others)
            yield
        self.height += 1
        return self.outcome()


async def test_others_have_their_turn_between_two_slices(tmp_path: Path) -> None:
    machine, disk = SlicedMachine(), DiskThread("test")
    blocks, batches = BlockStore(tmp_path / "blocks", ZERO_HASH), BatchStore(tmp_path / "batches", ZERO_HASH)
    for store in (blocks, batches):
        store.open(disk)
    world = World()
    world.block()
    blocks.append(committed(*world.blocks[0]))
    inbox, clock = Inbox(), SteadyClock(ManualClock())
    metrics = NodeMetrics(CollectorRegistry())
    executor = Executor(machine, 1, blocks, batches, inbox, clock, metrics, no_probe)
    intake = Intake(bytes(32), {}, batches, inbox, clock, metrics)

    async def other() -> None:
        while True:
            machine.others += 1
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(other()), asyncio.create_task(executor.work(intake, None))]
    async with asyncio.timeout(5):
        (done,) = await inbox.take()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for store in (blocks, batches):
        store.close()
    await disk.stop()
    assert isinstance(done, Executed)
    assert done.height == 1
    assert all(later > earlier for earlier, later in zip(machine.seen, machine.seen[1:], strict=False))


async def test_way_is_given_only_so_often() -> None:
    turns = 0

    async def busy() -> None:
        nonlocal turns
        while True:
            turns += 1
            until = asyncio.get_running_loop().time() + 0.001
            while asyncio.get_running_loop().time() < until:
                pass
            await asyncio.sleep(0)

    task = asyncio.create_task(busy())
    await give_way()
    task.cancel()
    assert turns == GIVE_WAY_MAX
