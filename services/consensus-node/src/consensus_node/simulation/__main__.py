"""Run seeds: `python -m consensus_node.simulation --seeds 2000 --jobs 2`; repeat one: `--seed N --trace`."""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Callable
from functools import partial

from consensus_node.simulation.checks import Breach
from consensus_node.simulation.plan import draw_plan
from consensus_node.simulation.world import World

Print = Callable[[str], object]


def run_seed(seed: int, size: int | None = None) -> tuple[int, str | None]:
    """One run; (seed, None) or the breach."""
    try:
        World(draw_plan(seed, size)).run()
    except Breach as breach:
        return seed, str(breach)
    return seed, None


def failure_text(seed: int, breach: str, size: int | None = None) -> str:
    """What failed, and the command that repeats it."""
    chosen = "" if size is None else f" --size {size}"
    return (
        f"seed {seed}: {breach}\n  repeat: python -m consensus_node.simulation --seed {seed}{chosen} --trace"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Simulate networks of replicas")
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--seed", type=int, help="run only this seed")
    parser.add_argument("--trace", action="store_true", help="print every input and effect of --seed")
    parser.add_argument("--size", type=int, help="validators, instead of what the seed draws")
    options = parser.parse_args()
    if options.seed is not None:
        return _run_one(options.seed, options.size, trace=options.trace, say=print)
    return _run_many(
        range(options.start, options.start + options.seeds), options.size, options.jobs, say=print
    )


def _run_one(seed: int, size: int | None, *, trace: bool, say: Print) -> int:
    plan = draw_plan(seed, size)
    say(str(plan))

    def show(time_ms: int, node: int, what: object) -> None:
        say(f"{time_ms:6d} {node} {what!r}")

    try:
        World(plan, show if trace else None).run()
    except Breach as breach:
        say(f"seed {seed}: {breach}")
        return 1
    say(f"seed {seed}: all checks hold")
    return 0


def _run_many(seeds: range, size: int | None, jobs: int, say: Print) -> int:
    began, failed = time.monotonic(), 0
    with multiprocessing.Pool(jobs) as pool:
        for seed, breach in pool.imap_unordered(partial(run_seed, size=size), seeds, chunksize=16):
            if breach is not None:
                failed += 1
                say(failure_text(seed, breach, size))
    took = time.monotonic() - began
    say(f"{len(seeds)} seeds, {failed} failed, {took:.1f} s, {len(seeds) / took:.1f} seeds/s")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
