"""`sps bench`: measure, print every figure beside its target, write them down."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from rich.console import Console

from sps.runtime.errors import Refusal
from sps.runtime.logs import configure_logs
from sps_cli.benches import (
    crypto,
    execution,
    fold,
    footprint,
    hop,
    kafka_hop,
    kafka_platform,
    kafka_validators,
    ordering,
    replay,
    validators,
    whole,
)
from sps_cli.benches.figures import Effort, Figure, Told
from sps_cli.benches.report import (
    Report,
    merged,
    read_report,
    show,
    stamped,
    this_machine,
    with_sum,
    write_page,
    write_report,
)

Measure = Callable[[Effort, Told], Awaitable[list[Figure]]]

PARTS: Final[dict[str, Measure]] = {
    ordering.PART: ordering.measure,
    execution.PART: execution.measure,
    crypto.PART: crypto.measure,
    hop.PART: hop.measure,
    fold.PART: fold.measure,
    replay.PART: replay.measure,
    validators.PART: validators.measure,
    whole.PART: whole.measure,
    kafka_hop.PART: kafka_hop.measure,
    kafka_validators.PART: kafka_validators.measure,
    kafka_platform.PART: kafka_platform.measure,
    footprint.PART: footprint.measure,
}
"""In the order in which they run: what is disturbed least by warm machines first."""


def run(out: Path, only: str = "", page: Path | None = None, *, short: bool = False) -> int:
    """Run all parts, or one; a page is written from what the JSON file then holds. The exit code."""
    if only and only not in PARTS:
        raise Refusal("UNKNOWN_PART", f"parts are: {', '.join(PARTS)}")
    console = Console(highlight=False)
    configure_logs(level="error", form="console")
    machine = this_machine()
    figures: list[Figure] = []
    for name in [only] if only else PARTS:
        figures += asyncio.run(_measured(name, Effort(short), console))
    report = with_sum(merged(read_report(out), Report(machine, tuple(figures)), tuple(PARTS)))
    write_report(out, report)
    if page is not None:
        write_page(page, report)
    show(figures, console)
    console.print(f"[dim]written to {out}[/dim]")
    return 0


async def _measured(name: str, effort: Effort, console: Console) -> list[Figure]:
    began = time.monotonic()

    def told(what: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:6.1f} s  {name}: {what}[/dim]")

    figures = await PARTS[name](effort, told)
    return [stamped(figure, f"sps bench --only {name}") for figure in figures]
