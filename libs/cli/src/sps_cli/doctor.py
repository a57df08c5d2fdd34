"""`sps doctor`: reads the variables that the services read, and says all that is wrong before one starts."""

import asyncio
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table

from sps.runtime.environment import prefix_of, read_environment
from sps.runtime.errors import Refusal
from sps.runtime.logs import configure_logs
from sps_cli.checkup.database import look_at_database
from sps_cli.checkup.event_log import look_at_event_log
from sps_cli.checkup.findings import Finding, Report
from sps_cli.checkup.local import (
    look_at_custody,
    look_at_folder,
    look_at_genesis,
    look_at_key,
    look_at_ports,
    look_at_providers,
    look_at_public_url,
)
from sps_cli.checkup.services import PATIENTS, Known, Patient, with_variables
from sps_cli.checkup.traces import look_at_traces

ILL: Final = 1
SIGNS: Final = {"ok": "[green]✓[/green]", "note": "[yellow]·[/yellow]", "wrong": "[red]✗[/red]"}


def run(names: Sequence[str], *, as_json: bool) -> int:
    """Examine these services, or all of which there are variables; 1 when anything is wrong."""
    configure_logs(level="error", form="console")
    findings = asyncio.run(examine(chosen(names, os.environ), os.environ))
    well = all(finding.verdict != "wrong" for finding in findings)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode({"well": well, "findings": findings}) + b"\n")
    else:
        _show(findings, well=well)
    return 0 if well else ILL


def chosen(names: Sequence[str], environment: Mapping[str, str]) -> list[Patient]:
    """Raises `Refusal` for a name that is no service, and when there is nothing to look at."""
    for name in names:
        if name not in PATIENTS:
            raise Refusal("NO_SUCH_SERVICE", f"{name} is none of {', '.join(PATIENTS)}")
    found = list(dict.fromkeys(names)) or with_variables(environment)
    if not found:
        prefixes = ", ".join(f"{prefix_of(patient.kind)}…" for patient in PATIENTS.values())
        raise Refusal("NOTHING_TO_EXAMINE", f"there are no variables {prefixes}; see docs/configuration.md")
    return [PATIENTS[name] for name in found]


async def examine(patients: Iterable[Patient], environment: Mapping[str, str]) -> list[Finding]:
    """All that is found, service by service; ports are held meanwhile, and nothing else is touched."""
    findings: list[Finding] = []
    seen: list[Known] = []
    with ExitStack() as held:
        for patient in patients:
            report = Report(patient.name)
            seen.append(_read(report, patient, environment))
            await _examine(report, patient, seen[-1], held)
            findings += report.findings
    return findings + _together(seen)


def _read(report: Report, patient: Patient, environment: Mapping[str, str]) -> Known:
    reading = read_environment(patient.kind, environment)
    for problem in reading.problems:
        report.wrong("settings", str(problem), "docs/configuration.md has all of them")
    if not reading.problems:
        report.ok("settings", f"{prefix_of(patient.kind)}… can be read")
    return Known(reading.legible, reading.settings)


async def _examine(report: Report, patient: Patient, known: Known, held: ExitStack) -> None:
    genesis = look_at_genesis(report, known)
    look_at_key(report, known, patient, genesis)
    look_at_custody(report, known)
    look_at_folder(report, known)
    look_at_ports(report, known, held)
    look_at_public_url(report, known, patient)
    look_at_providers(report, known, patient)
    look_at_traces(report, known)
    await look_at_database(report, known, patient)
    await look_at_event_log(report, known, patient)


def _together(seen: Sequence[Known]) -> list[Finding]:
    """What has to be the same everywhere."""
    report = Report("all")
    same: dict[str, set[Any]] = {
        "internal_token": {known.internal_token for known in seen} - {None},
        "genesis": {_bytes_of(known) for known in seen} - {None},
    }
    for about, values in same.items():
        if len(values) > 1:
            report.wrong(about, f"{len(values)} different ones", "give all services the same")
    return report.findings


def _bytes_of(known: Known) -> bytes | None:
    try:
        return known.genesis.read_bytes() if known.genesis is not None else None
    except OSError:
        return None


def _show(findings: Iterable[Finding], *, well: bool) -> None:
    table = Table(box=None, pad_edge=False)
    for head in ("service", "what", "", "found", "what to do"):
        table.add_column(head, overflow="fold")
    for each in findings:
        table.add_row(each.service, each.about, SIGNS[each.verdict], each.found, each.advice)
    console = Console(soft_wrap=False)
    console.print(table)
    console.print("\n[green]all is well[/green]" if well else "\n[red]not ready to start[/red]")
