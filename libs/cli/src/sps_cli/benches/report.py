"""Figures as a table in the terminal, as JSON, and as the table of a document between two markers."""

import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from sps.runtime.errors import Refusal
from sps_cli.benches.figures import Figure

BEGIN: Final = "<!-- figures: written by `sps bench --page`, do not edit by hand -->"
END: Final = "<!-- end of figures -->"
GB: Final = 2**30
RIGHT: Final = frozenset({"value", "target", "n"})
SUM: Final = "sum"
SUMMANDS: Final = ("ordering, 1 batch a block", "execution, all kinds of a contract's life")
SUM_TARGET_US: Final = 20.0
_SIGN: Final = {"at most": "≤", "at least": "≥", "": ""}
_WORD: Final = {True: "reached", False: "missed", None: ""}
_CPU_TABLE: Final = Path("/proc/cpuinfo")


class Machine(Struct, frozen=True):
    """What the figures were taken on."""

    processor: str
    processors: int
    memory_gb: float
    system: str
    python: str
    load_before: float
    """Load average of the minute before: above 0 somebody else was working too."""


class Report(Struct, frozen=True):
    """The content of the JSON file."""

    machine: Machine
    figures: tuple[Figure, ...]


def this_machine() -> Machine:
    """Without names, addresses or paths."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GB
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(
        processor=_processor(),
        processors=usable,
        memory_gb=round(memory, 1),
        system=platform.system(),
        python=platform.python_version(),
        load_before=round(os.getloadavg()[0], 2),
    )


def stamped(figure: Figure, command: str) -> Figure:
    """With the command that gives it, and the time."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return msgspec.structs.replace(figure, command=command, at=moment)


def read_report(path: Path) -> Report | None:
    """The figures of an earlier run; None when there are none, or none that we can read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Report)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def write_report(path: Path, report: Report) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(msgspec.to_builtins(report), indent=1, ensure_ascii=False) + "\n")


def merged(before: Report | None, now: Report, order: Sequence[str] = ()) -> Report:
    """The new figures, and the older ones of parts that did not run; parts in this order."""
    ran = {figure.part for figure in now.figures}
    kept = [figure for figure in (before.figures if before else ()) if figure.part not in ran]
    places = {part: place for place, part in enumerate(order)}
    figures = sorted((*kept, *now.figures), key=lambda figure: places.get(figure.part, -1))
    return Report(now.machine, tuple(figures))


def with_sum(report: Report) -> Report:
    """With what a validator's CPU does for a transaction in all, when both halves were measured."""
    values = {figure.figure: figure for figure in report.figures}
    halves = [values[name] for name in SUMMANDS if name in values]
    figures = tuple(figure for figure in report.figures if figure.part != SUM)
    if len(halves) < len(SUMMANDS):
        return Report(report.machine, figures)
    total = round(sum(half.value for half in halves), 2)
    n, unit = min(half.n for half in halves), halves[0].unit
    one = Figure(SUM, " + ".join(SUMMANDS), total, unit, n, SUM_TARGET_US, "at most")
    return Report(report.machine, (*figures, stamped(one, "sps bench")))


def show(figures: Sequence[Figure], console: Console) -> None:
    """The table, target beside each figure."""
    table = Table(box=None, header_style="bold")
    for title in ("figure", "value", "unit", "target", "", "n"):
        table.add_column(title, justify="right" if title in RIGHT else "left")
    for figure in figures:
        style = {True: "green", False: "red", None: ""}[figure.reached]
        table.add_row(
            *_cells(figure)[:4], f"[{style}]{_WORD[figure.reached]}[/]" if style else "", str(figure.n)
        )
    console.print(table)


def write_page(page: Path, report: Report) -> None:
    """Put the table into the page, between its two markers; raises `Refusal` when they are not there."""
    text = page.read_text()
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise Refusal("NO_MARKERS", f"{page.name} does not hold the two marker comments of the figures")
    page.write_text(f"{head}{BEGIN}\n\n{_markdown(report)}\n\n{END}{tail}")


def _markdown(report: Report) -> str:
    machine = report.machine
    about = (
        f"{machine.processor}, {machine.processors} processors, {machine.memory_gb:g} GB, {machine.system}, "
        f"Python {machine.python}; load average before the run {machine.load_before:g}."
    )
    lines = [about, ""]
    for command in dict.fromkeys(figure.command for figure in report.figures):
        mine = [figure for figure in report.figures if figure.command == command]
        lines += [f"`{command}`, {mine[0].at[:10]}", "", "| figure | value | unit | target | | n |"]
        lines.append("| --- | ---: | --- | ---: | --- | ---: |")
        lines += [
            f"| {' | '.join(_cells(each)[:4])} | {_WORD[each.reached]} | {each.n} |".replace("|  |", "| |")
            for each in mine
        ]
        lines.append("")
    return "\n".join(lines).rstrip()


def _cells(figure: Figure) -> list[str]:
    target = "" if figure.target is None else f"{_SIGN[figure.bound]} {figure.target:g}"
    return [figure.figure, f"{figure.value:,g}", figure.unit, target]


def _processor() -> str:
    if _CPU_TABLE.exists():
        for line in _CPU_TABLE.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
