"""Safety, liveness and silence over many seeds; a failing one names the command that repeats it."""

import multiprocessing

import msgspec
import pytest

from consensus_node.simulation.__main__ import failure_text, run_seed
from consensus_node.simulation.plan import draw_plan
from consensus_node.simulation.world import World

SEEDS = 2_000
PROCESSES = 2


@pytest.mark.parametrize("size", [1, 4, 5, 7])
def test_networks_of_every_size_hold(size):
    runs = (run_seed(seed, size) for seed in range(6))
    failed = [failure_text(seed, breach, size) for seed, breach in runs if breach is not None]
    assert not failed, "\n".join(failed)


def test_the_same_seed_gives_the_same_run():
    traces = []
    for _ in range(2):
        seen = []
        World(draw_plan(7), lambda *what, seen=seen: seen.append(repr(what))).run()
        traces.append(seen)
    assert traces[0] == traces[1]


@pytest.mark.parametrize("size", [1, 4])
def test_an_idle_chain_makes_one_block_per_heartbeat(size):
    plan = msgspec.structs.replace(draw_plan(3, size), heartbeat_ms=10_000)
    world = World(plan)
    world.run()
    height, sent = world.checker.height, world.sent
    world.run_on(50_000)
    blocks = world.checker.height - height
    assert blocks in {4, 5}
    assert world.sent - sent <= blocks * (2 * size + 1 + 2 * size)


@pytest.mark.slow
def test_two_thousand_seeds_hold():
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        results = pool.imap_unordered(run_seed, range(SEEDS), chunksize=25)
        failed = [failure_text(seed, breach) for seed, breach in results if breach is not None]
    assert not failed, "\n".join(failed)
