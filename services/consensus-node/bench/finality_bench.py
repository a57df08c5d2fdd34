# ruff: noqa: INP001 a program, not a module of a package
"""Measures four validators in one process over the embedded log: proposal → final, batch sent → final.

`python finality_bench.py [--seconds 4] [--rate 20] [--transactions 10] [--json FILE]`.
Real signatures, real fsync; all nodes share one event loop.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[3] / "tests" / "support"))

from chain_kit import make_genesis
from node_kit import Town

from consensus_node.adapters.publisher import Publisher
from consensus_node.application.driver import Driver
from consensus_node.core.effects import Deliver
from consensus_node.core.messages import Message, Proposal
from sps.eventlog.embedded import EmbeddedLog

TRANSACTION_BYTES: Final = 300


class Watch:
    """Notes when a height is proposed, and when it is final at each node."""

    def __init__(self) -> None:
        self.proposed: dict[int, float] = {}
        self.sent: dict[bytes, float] = {}
        self.proposal_to_final: list[float] = []
        self.batch_to_final: list[float] = []
        say, deliver = Publisher.say, Driver._deliver  # noqa: SLF001 a bench looks inside

        def watched_say(publisher: Publisher, message: Message) -> None:
            if isinstance(message, Proposal):
                self.proposed.setdefault(message.header.height, time.perf_counter())
            say(publisher, message)

        def watched_deliver(driver: Driver, effect: Deliver) -> None:
            now = time.perf_counter()
            header = effect.committed.header
            if header.height in self.proposed and effect.committed.refs:
                self.proposal_to_final.append((now - self.proposed[header.height]) * 1000)
            self.batch_to_final += [(now - self.sent[ref.digest]) * 1000 for ref in effect.committed.refs]
            deliver(driver, effect)

        setattr(Publisher, "say", watched_say)  # noqa: B010 mypy knows that methods are not assigned
        setattr(Driver, "_deliver", watched_deliver)  # noqa: B010 likewise


async def measure(folder: Path, seconds: float, rate: float, transactions: int) -> dict[str, Any]:
    watch = Watch()
    log = EmbeddedLog(folder / "log.db")
    await log.start()
    town = Town(folder, log, make_genesis(4))
    await town.all_up()
    cpu = time.process_time()
    count = int(seconds * rate)
    start = time.perf_counter()
    for number in range(count):
        await asyncio.sleep(max(0.0, start + number / rate - time.perf_counter()))
        raw = [(b"%d/%d" % (number, i)).ljust(TRANSACTION_BYTES, b".") for i in range(transactions)]
        made = town.batch(raw)
        watch.sent[town.previous] = time.perf_counter()
        await town.put(made)
    await town.agree(count * transactions)
    cpu = time.process_time() - cpu
    blocks = town.nodes[0].final_height
    await town.down()
    await log.stop()
    return {
        "batches_per_s": rate,
        "transactions_per_batch": transactions,
        "blocks": blocks,
        "cpu_ms_per_block_and_node": round(cpu * 1000 / blocks / 4, 2),
        "proposal_to_final": quantiles(watch.proposal_to_final),
        "batch_sent_to_final": quantiles(watch.batch_to_final),
    }


def quantiles(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        name: round(ordered[min(len(ordered) - 1, int(len(ordered) * part))], 2)
        for name, part in (("p50_ms", 0.5), ("p90_ms", 0.9), ("p99_ms", 0.99))
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--transactions", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(measure(Path(folder), options.seconds, options.rate, options.transactions))
    text = json.dumps(result, indent=1)
    if options.json:
        options.json.write_text(text + "\n")
    print(text)  # noqa: T201 the result of a bench


if __name__ == "__main__":
    main()
