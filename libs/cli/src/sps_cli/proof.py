"""`sps proof verify`: what a proof file shows, or the first thing in it that does not hold."""

import json
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from sps.chain.proof import BadProof, ProofReport, verify_proof
from sps.money import Money, format_major

BROKEN: Final = 1


def verify(file: Path, genesis: Path, *, as_json: bool) -> int:
    """Check and tell; the exit code."""
    console = Console(highlight=False)
    try:
        report = verify_proof(file.read_bytes(), genesis.read_bytes())
    except BadProof as error:
        if as_json:
            print(json.dumps({"valid": False, "reason": str(error)}))
        else:
            console.print(f"[bold red]not proved[/bold red]: {error}")
        return BROKEN
    if as_json:
        print(msgspec.json.encode({"valid": True, "report": report}).decode())
    else:
        tell(report, console)
    return 0


def tell(report: ProofReport, console: Console) -> None:
    """The report: the steps, the money, what was checked, and how far the file goes."""
    console.print(f"[bold green]proved[/bold green]: contract {report.contract}, version {report.version}")
    table = Table("version", "height", "what", "vouched for by", "rules")
    for event in report.events:
        rules = " ".join(event.rules)
        table.add_row(str(event.version), str(event.height), event.kind, event.producer or "the clock", rules)
    console.print(table)
    for each in report.amounts:
        parts = {
            "received": each.received,
            "released": each.released,
            "refunded": each.refunded,
            "held": each.held,
        }
        console.print(", ".join(f"{name} {_shown(minor, each.currency)}" for name, minor in parts.items()))
    console.print(
        f"{len(report.signatures)} signatures and certificates checked; up to block {report.highest_height}."
    )
    console.print("A proof shows what happened up to there, not that nothing happened later.", style="dim")


def _shown(minor: int, currency: str) -> str:
    return f"{format_major(Money(minor, currency))} {currency}"
