"""What traces cost a validator per transaction: off, on, and on with a share. CPU time, blocks of 500 offers.

`python tests/support/tracing_bench.py`; `--off-only` also runs on a library that knows no traces.
"""

import argparse
import statistics
import time
from collections.abc import Callable

from chain_world import PRODUCER_OF, Deal, World

from consensus_node.application.machine import ContractMachine
from sps.chain.binary import ZERO_HASH
from sps.chain.block import Committed
from sps.chain.certificate import Certificate
from sps.chain.header import ref_of
from sps.chain.vote import VoteKind
from sps.transactions.codec import encode

BLOCKS, SIZE, ROUNDS = 4, 500, 15


def chain() -> tuple[World, list[tuple[Committed, tuple]]]:
    world = World()
    for number in range(BLOCKS):
        offers = [encode(Deal(f"deal {number} {n}").offer()) for n in range(SIZE)]
        world.raw_block([(PRODUCER_OF["api"], offers)])
    certificate = Certificate(VoteKind.FINALIZE, 1, 1, 1, ZERO_HASH, (0,), (bytes(64),))
    return world, [
        (Committed(header, tuple(ref_of(batch.header) for batch in batches), (), certificate), batches)
        for header, batches in world.blocks
    ]


def cpu_us(world: World, blocks: list, machine_of: Callable) -> float:
    """Of one transaction, in one round."""
    machine = machine_of(world)
    began = time.process_time_ns()
    for committed, batches in blocks:
        for _ in machine.execute_in_slices(committed, batches):
            pass
    return (time.process_time_ns() - began) / 1_000 / (BLOCKS * SIZE)


def traced(share: float) -> Callable:
    """With a tracer of the real adapter whose collector does not exist; nothing is sent meanwhile."""
    from prometheus_client import CollectorRegistry

    from consensus_node.application.node_tracing import NodeTracing
    from sps.runtime.metrics import TraceMetrics
    from sps.tracing import otlp

    otlp.EVERY_S, otlp.QUEUE_MAX, otlp.EXPORT_MAX = 3_600.0, 10**6, 10**6
    meter = TraceMetrics(CollectorRegistry())

    def machine(world: World) -> ContractMachine:
        tracer = otlp.OtlpTracer("http://127.0.0.1:9", service="x", version="1", share=share, meter=meter)
        return ContractMachine(world.genesis, NodeTracing(tracer, "x", world.blocks[0][0].proposer))

    return machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--off-only", action="store_true")
    ways: dict[str, Callable] = {"off": lambda world: ContractMachine(world.genesis)}
    if not parser.parse_args().off_only:
        ways |= {"on, share 0.01": traced(0.01), "on, share 1": traced(1.0)}
    world, blocks = chain()
    found: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, machine_of in ways.items():
            found[way].append(cpu_us(world, blocks, machine_of))
    for way, values in found.items():
        print(f"{way}: best {min(values):.2f}, median {statistics.median(values):.2f} µs CPU/tx")  # noqa: T201


if __name__ == "__main__":
    main()
