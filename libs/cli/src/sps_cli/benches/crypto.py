"""What the signatures of a block cost on the event loop, and what they cost when a thread checks them.

Two jobs: the certificate of a final block (three signatures) and a batch of 500 transactions of 300 bytes
(payload hash, one signature). Each is done where it stands in the node, on the loop, and by a pool's thread.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from sps.chain.batch import FIRST_PREV_DIGEST, check_batch, seal
from sps.chain.certificate import certificate_of, verify_certificate
from sps.chain.vote import VoteKind, sign_vote
from sps_cli.benches.figures import Effort, Figure, Stopwatch, Told, quantile
from sps_cli.benches.ordering_seat import Town

PART: Final = "crypto"
VALIDATORS: Final = 4
QUORUM: Final = 3
BATCH_TX: Final = 500
TX_BYTES: Final = 300
PRODUCER: Final = 1
SECOND_US: Final = 1e6

Job = Callable[[], object]


async def measure(effort: Effort, told: Told) -> list[Figure]:
    """Each job on the loop and in a thread."""
    town, times = Town(Path(), VALIDATORS), effort.of(2_000, 20)
    figures: list[Figure] = []
    with ThreadPoolExecutor(1) as pool:
        for what, job in (("certificate", _certificate(town)), ("batch", _batch(town))):
            told(f"checking a {what} {times} times, here and there")
            figures += await _measured(f"{what}, on the loop", times, job, None)
            figures += await _measured(f"{what}, in a thread", times, job, pool)
    return figures


async def _measured(what: str, times: int, job: Job, pool: ThreadPoolExecutor | None) -> list[Figure]:
    took_us, watch, loop = [], Stopwatch(), asyncio.get_running_loop()
    with watch:
        for _ in range(times):
            began = time.perf_counter()
            if pool is None:
                job()
            else:
                await loop.run_in_executor(pool, job)
            took_us.append((time.perf_counter() - began) * SECOND_US)
    figures = [
        Figure(PART, f"{what}, elapsed, {name}", round(quantile(took_us, share)), "µs", times)
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]
    return [*figures, Figure(PART, what, round(watch.us_per(times)), "µs CPU", times)]


def _certificate(town: Town) -> Job:
    committee = town.genesis.committee()
    votes = [
        sign_vote(signer, town.chain_id, number, VoteKind.FINALIZE, committee.epoch, 1, 1, bytes(32))
        for number, signer in enumerate(town.signers[:QUORUM])
    ]
    certificate = certificate_of(votes)

    def check() -> None:
        if not verify_certificate(certificate, committee, town.chain_id):
            raise AssertionError("a true certificate is refused")

    return check


def _batch(town: Town) -> Job:
    made = [b"%d" % n + b"." * (TX_BYTES - len(b"%d" % n)) for n in range(BATCH_TX)]
    batch = seal(town.producer, town.chain_id, PRODUCER, 1, FIRST_PREV_DIGEST, made, town.genesis.created_ms)
    return lambda: check_batch(batch, town.producer.public_key, town.chain_id)
