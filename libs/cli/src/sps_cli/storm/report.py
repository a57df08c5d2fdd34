"""What a storm did and what came of it: in the terminal, and as tables of a document between two markers."""

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct
from rich.console import Console

from sps.runtime.errors import Refusal
from sps_cli.benches.figures import quantile
from sps_cli.benches.report import this_machine
from sps_cli.storm.recovery import Strike

BEGIN: Final = "<!-- storm: written by `sps storm --out`, do not edit by hand -->"
END: Final = "<!-- end of the storm -->"
WRONG_MAX: Final = 50
S_PER_MINUTE: Final = 60.0


class Outcome(Struct, frozen=True):
    """Everything that the table says."""

    command: str
    seconds: float
    strikes: tuple[Strike, ...]
    contracts: int
    finished: int
    payouts: int
    refunds: int
    repeated: Counter[str]
    """Requests that clients had to send again, by what they got instead of an answer."""
    duplicates: dict[str, int]
    """Repeats that somebody recognised, by who did."""
    lost: int
    paid_twice: int
    stuck: int
    wrong: tuple[str, ...]
    """What the audit found, in sentences."""

    @property
    def well(self) -> bool:
        return not (self.lost or self.paid_twice or self.stuck or self.wrong)


def markdown(outcome: Outcome) -> str:
    """The two tables and what they were made with."""
    machine = this_machine()
    about = (
        f"`{outcome.command}`, {time.strftime('%Y-%m-%d', time.gmtime())}: "
        f"{outcome.seconds / S_PER_MINUTE:.0f} minutes on {machine.processors} processors "
        f"({machine.processor}), {machine.memory_gb:g} GB, {machine.system}."
    )
    return "\n".join([about, "", *_totals(outcome), "", *_by_kind(outcome.strikes), *_sentences(outcome)])


def _totals(outcome: Outcome) -> list[str]:
    recognised = ", ".join(f"{count} {who}" for who, count in sorted(outcome.duplicates.items()))
    again = ", ".join(f"{count} {what}" for what, count in outcome.repeated.most_common())
    rows = [
        ("faults", str(sum(len(each.faults) for each in outcome.strikes))),
        ("contracts opened", str(outcome.contracts)),
        ("contracts ended as told", str(outcome.finished)),
        ("payouts", str(outcome.payouts)),
        ("refunds", str(outcome.refunds)),
        ("requests that clients repeated", again or "0"),
        ("duplicates recognised and refused", recognised or "0"),
        ("**lost**", f"**{outcome.lost}**"),
        ("**paid twice**", f"**{outcome.paid_twice}**"),
        ("**stuck**", f"**{outcome.stuck}**"),
    ]
    return ["| what | count |", "| --- | ---: |", *(f"| {name} | {value} |" for name, value in rows)]


def _by_kind(strikes: Sequence[Strike]) -> list[str]:
    """Seconds from a fault's end until the first story ended, and until all had that lived through it."""
    by_name: dict[str, list[Strike]] = defaultdict(list)
    for each in strikes:
        by_name[each.name if len(each.faults) == 1 else "two at once"].append(each)
    lines = [
        "| fault | count | flows again, p50 s | p99 s | max s | all stories through, max s |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, group in sorted(by_name.items()):
        lines.append(_row(name, group))
    if strikes:
        lines.append(_row("**all**", strikes))
    return lines


def _row(name: str, group: Sequence[Strike]) -> str:
    flows = [each.flows_s for each in group if each.flows_s is not None]
    settled = [each.settled_s for each in group if each.settled_s is not None]
    never = len(group) - len(flows)
    shown = (
        [_shown(quantile(flows, 0.5)), _shown(quantile(flows, 0.99)), _shown(max(flows))]
        if flows
        else ["", "", ""]
    )
    if never:
        shown[-1] = f"{never} never"
    whole = _shown(max(settled)) if len(settled) == len(group) else f"{len(group) - len(settled)} never"
    return f"| {name} | {len(group)} | {' | '.join(shown)} | {whole} |"


def _sentences(outcome: Outcome) -> list[str]:
    if not outcome.wrong:
        return []
    return ["", "Wrong:", "", *(f"- {each}" for each in outcome.wrong[:WRONG_MAX])]


def _shown(seconds: float) -> str:
    return f"{seconds:.1f}"


def show(outcome: Outcome, console: Console) -> None:
    """The same, for the terminal."""
    console.print(markdown(outcome), markup=False, highlight=False, soft_wrap=True)


def write_page(page: Path, outcome: Outcome) -> None:
    """Put the tables into the page between its two markers; raises `Refusal` when they are not there."""
    text = page.read_text()
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise Refusal("NO_MARKERS", f"{page.name} does not hold the two marker comments of the storm")
    page.write_text(f"{head}{BEGIN}\n\n{markdown(outcome)}\n\n{END}{tail}")


def check_page(page: Path) -> None:
    """Refuse a page without markers before half an hour was spent."""
    text = page.read_text()
    if BEGIN not in text or END not in text.partition(BEGIN)[2]:
        raise Refusal("NO_MARKERS", f"{page.name} does not hold the two marker comments of the storm")
