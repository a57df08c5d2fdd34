# ruff: noqa: INP001 a program, not a module of a package
"""Measures a hop of the event log: append until a waiting reader holds the record, 300 B, several rates.

`python eventlog_bench.py [--log ADDRESS] [--seconds 4] [--readers 1] [--process] [--json FILE]`; without an
address the embedded log, on fresh files. With `--process` the reader is another process (the writer's clock
and the reader's are one: CLOCK_MONOTONIC). A log that is given has its topics already.
"""

import argparse
import asyncio
import json
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import uvloop

from sps.eventlog.address import open_log
from sps.eventlog.port import EventLog, NewRecord
from sps.eventlog.topics import CONSENSUS

RATES: Final = (50, 200, 1000)
RECORD_BYTES: Final = 300
STAMP: Final = struct.Struct(">d")
SETTLE_S: Final = 0.3
"""Until a reader waits at the end of the log."""


async def follow(log: EventLog, first: int, count: int) -> list[float]:
    """Read `count` records as they come; returns the age of each in milliseconds."""
    ages: list[float] = []
    while len(ages) < count:
        records = await log.read(CONSENSUS, 0, first + len(ages), wait_s=5.0)
        now = time.monotonic()
        ages += [(now - STAMP.unpack_from(record.value)[0]) * 1000 for record in records]
    return ages


async def write(log: EventLog, rate: int, count: int) -> list[float]:
    """Append `count` records at `rate` per second, nobody waiting for another; returns append times in ms."""
    loop = asyncio.get_running_loop()
    start = loop.time()

    async def one() -> float:
        began = time.monotonic()
        await log.append(CONSENSUS, 0, [NewRecord(b"", STAMP.pack(began).ljust(RECORD_BYTES, b"."))])
        return (time.monotonic() - began) * 1000

    tasks = []
    for number in range(count):
        await asyncio.sleep(max(0.0, start + number / rate - loop.time()))
        tasks.append(asyncio.create_task(one()))
    return list(await asyncio.gather(*tasks))


def quantiles(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        name: round(ordered[min(len(ordered) - 1, int(len(ordered) * part))], 3)
        for name, part in (("p50_ms", 0.5), ("p90_ms", 0.9), ("p99_ms", 0.99))
    }


async def measure(rate: int, seconds: float, readers: int, apart: bool, address: str) -> dict[str, Any]:
    """One rate; on a fresh file when there is no address."""
    with tempfile.TemporaryDirectory() as folder:
        address = address or f"sqlite:///{folder}/log.db"
        log = open_log(address)
        await log.start()
        try:
            return await measure_on(log, address, rate, seconds, readers, apart)
        finally:
            await log.stop()


async def measure_on(
    log: EventLog, address: str, rate: int, seconds: float, readers: int, apart: bool
) -> dict[str, Any]:
    """One rate on a log that runs."""
    count, (_, first) = int(rate * seconds), await log.bounds(CONSENSUS, 0)
    cpu = time.process_time()
    if apart:
        words = ("--follow", address, str(first), str(count))
        reader = await asyncio.create_subprocess_exec(
            sys.executable, __file__, *words, stdout=subprocess.PIPE
        )
        assert reader.stdout is not None  # noqa: S101 it was asked for as a pipe
        await reader.stdout.readline()
        appends = await write(log, rate, count)
        hops: list[float] = json.loads((await reader.communicate())[0])
    else:
        following = [asyncio.create_task(follow(log, first, count)) for _ in range(readers)]
        await asyncio.sleep(SETTLE_S)
        appends = await write(log, rate, count)
        hops = [age for ages in await asyncio.gather(*following) for age in ages]
    return {
        "rate": rate,
        "readers": readers,
        "other_process": apart,
        "hop": quantiles(hops),
        "append": quantiles(appends),
        "cpu_ms_per_record": round((time.process_time() - cpu) * 1000 / count, 3),
    }


async def follow_apart(address: str, first: int, count: int) -> None:
    log = open_log(address)
    await log.start()
    following = asyncio.create_task(follow(log, first, count))
    await asyncio.sleep(SETTLE_S)
    print("ready", flush=True)  # noqa: T201 the measuring process waits for it
    print(json.dumps(await following), flush=True)  # noqa: T201 and reads this
    await log.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--readers", type=int, default=1)
    parser.add_argument("--process", action="store_true")
    parser.add_argument("--log", default="")
    parser.add_argument("--rates", type=int, nargs="+", default=RATES)
    parser.add_argument("--follow", nargs=3)
    options = parser.parse_args()
    if options.follow:
        uvloop.run(follow_apart(options.follow[0], *map(int, options.follow[1:])))
        return
    results = [
        uvloop.run(measure(rate, options.seconds, options.readers, options.process, options.log))
        for rate in options.rates
    ]
    text = json.dumps({"record_bytes": RECORD_BYTES, "results": results}, indent=1)
    if options.json:
        options.json.write_text(text + "\n")
    print(text)  # noqa: T201 the result of a bench


if __name__ == "__main__":
    main()
