"""A hop of the embedded log: append until a waiting reader holds the record; 300 bytes, one reader."""

from typing import Final

from sps_cli.benches.figures import Effort, Figure, Told
from sps_cli.benches.programs import run_program

PART: Final = "hop"
PROGRAM: Final = "eventlog_bench.py"


async def measure(effort: Effort, told: Told) -> list[Figure]:
    """Reader in the same process, then in another one."""
    return hops(PART, effort.of(40, 3) / 10, told)


def hops(part: str, seconds: float, told: Told, *options: str) -> list[Figure]:
    """The figures of the program, for a reader in the same process and for one in another."""
    figures: list[Figure] = []
    for where, more in (("same process", ()), ("other process", ("--process",))):
        told(f"hops of the log, {where}")
        found = run_program(PROGRAM, "--seconds", str(seconds), *options, *more)
        for result in found["results"]:
            count = int(result["rate"] * seconds)
            figures += [
                Figure(part, f"hop at {result['rate']}/s, {where}, {name}", result["hop"][key], "ms", count)
                for name, key in (("p50", "p50_ms"), ("p99", "p99_ms"))
            ]
    return figures
