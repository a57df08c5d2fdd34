"""`sps demo`: the story of Alice and Bob, told with what each party sees, and checked at every step.

Exit code 1 when anything is not as told.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import httpx
from rich.console import Console

from settlement.adapters.books import BookReader
from sps.chain.proof import verify_proof
from sps.money import Money, format_major
from sps.runtime.database import Database
from sps.runtime.logs import configure_logs
from sps_cli.agreement import disagreements
from sps_cli.books import trial_table
from sps_cli.platform import Platform
from sps_cli.proof import tell
from sps_cli.state_folder import StateFolder
from sps_cli.story import NotAsTold, Places, Story, Tale

NOT_AS_TOLD: Final = 1

TOLD: Final = {
    "register": ("Alice", "registers as a merchant"),
    "offer": ("Alice", "opens an escrow contract for a tea set and signs the terms"),
    "accept": ("Bob", "opens the link, reads the terms and signs the same terms hash"),
    "go_to_pay": ("Bob", "goes to pay with Alipay"),
    "pay": ("Bob", "clicks pay; Alipay's signed notify funds the contract"),
    "ship": ("Alice", "hands the parcel to DHL and books its tracking number"),
    "travel": ("DHL", "scans the parcel on its way"),
    "deliver": ("DHL", "delivers against a signature; the contract releases the money"),
    "convert": ("Alice", "converts her money into euros at a locked rate"),
    "cash_out": ("Alice", "cashes out to her account"),
    "prove": ("anybody", "fetches the proof file"),
}

MEANINGS: Final = {
    "1000": "at the provider",
    "2000": "held in escrow",
    "2100": "the seller's, free to pay out",
    "3000": "our fee",
}
"""Accounts of the story in words; the whole chart is in `docs/ledger.md`."""


def run(keep: Path | None) -> int:
    """Tell the story on a fresh platform; the exit code."""
    console = Console(highlight=False)
    configure_logs(level="error", form="console")
    path = keep or Path(tempfile.mkdtemp(prefix="sps-demo-"))
    try:
        return asyncio.run(_run(path, console))
    finally:
        if keep is None:
            shutil.rmtree(path, ignore_errors=True)


async def _run(path: Path, console: Console) -> int:
    folder = StateFolder(path)
    folder.open(any_ports=True)
    platform = Platform(folder)
    began = time.monotonic()
    try:
        with console.status("starting four validators, five services and the sandbox …"):
            await platform.start()
        console.print(f"[dim]platform ready after {time.monotonic() - began:.1f} s[/dim]\n")
        await _tell(folder, console)
        console.print(f"\n[bold green]as told[/bold green], in {time.monotonic() - began:.1f} s")
    except NotAsTold as error:
        console.print(f"\n[bold red]not as told[/bold red]: {error}")
        return NOT_AS_TOLD
    finally:
        await platform.stop()
        folder.close()
    return 0


async def _tell(folder: StateFolder, console: Console) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        story = Story(Places(folder.url("api"), folder.url("sandbox")), Tale("demo"), client)
        console.print(await _books(folder))
        seen = 0
        for name, step in story.steps():
            seen = await _step(story, console, name, step, seen)
        report = verify_proof(story.tale.proof, folder.genesis_path.read_bytes())
        console.print("\n[bold]Anybody[/bold] checks the proof offline, with only the genesis:")
        tell(report, console)
        console.print(await _books(folder))
        await _check(story, folder)
        console.print("our books and the providers' own books agree to the unit")


async def _step(
    story: Story, console: Console, name: str, step: Callable[[], Awaitable[None]], seen: int
) -> int:
    """Take one step and show what is new; returns the newest version of the contract that was shown."""
    who, what = TOLD[name]
    began = time.monotonic()
    await step()
    console.print(f"[bold]{who:8}[/bold] {what}  [dim]{(time.monotonic() - began) * 1000:.0f} ms[/dim]")
    if name in {"convert", "cash_out"}:
        await _show_money(story, console)
        return seen
    if not story.tale.contract or name == "prove":
        return seen
    events = [event for event in await story.events() if event["version"] > seen]
    for event in events:
        _show_event(event, console)
    if events:
        await _show_views(story, console)
    return max([seen, *(int(event["version"]) for event in events)])


def _show_event(event: dict[str, Any], console: Console) -> None:
    """What was said, in which block, and every posting it made."""
    said = f"{event['by']} {event['summary']}"
    console.print(f"         block {event['height']:<4} {said}", style="dim", soft_wrap=True)
    for line in event["postings"]:
        kind = line["account"].split("/")[0]
        amount = f"{_shown(line['minor'], line['currency']):>18}"
        console.print(f"{line['journal']:>20} {amount}  {kind} {MEANINGS.get(kind, '')}", style="dim")


async def _show_views(story: Story, console: Console) -> None:
    """What each of the two sees on their page."""
    contract = await story.contract()
    state = contract["state"] + (f", {contract['outcome']}" if contract["outcome"] else "")
    currency = story.tale.currency
    held = str(sum(int(tranche["held"]) for tranche in contract["tranches"]))
    payable = await story.payable(currency)
    console.print(
        f"         Alice sees {state}; free to pay out: {_shown(payable, currency)}", soft_wrap=True
    )
    console.print(f"         Bob   sees {state}; held for him: {_shown(held, currency)}", soft_wrap=True)


async def _show_money(story: Story, console: Console) -> None:
    """What Alice has after a conversion or a payout."""
    tale = story.tale
    for currency in dict.fromkeys((tale.currency, tale.target)):
        payable = await story.payable(currency)
        console.print(f"         Alice sees free to pay out: {_shown(payable, currency)}", soft_wrap=True)


async def _books(folder: StateFolder) -> object:
    database = Database(folder.database("settlement"))
    try:
        return trial_table(await BookReader(database).trial_balance())
    finally:
        await database.stop()


async def _check(story: Story, folder: StateFolder) -> None:
    database = Database(folder.database("settlement"))
    try:
        trial = await BookReader(database).trial_balance()
    finally:
        await database.stop()
    provider = await story.provider_books()
    for difference in disagreements(trial, provider):
        story.expect(False, f"the books agree: {difference}")
    mine = [each for each in provider["payouts"] if each["our_id"] == story.tale.payout]
    story.expect(len(mine) == 1, f"the provider paid exactly once, not {len(mine)} times")


def _shown(minor: str, currency: str) -> str:
    return f"{format_major(Money(int(minor), currency))} {currency}"
