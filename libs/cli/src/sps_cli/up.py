"""`sps up`: start, say where to look, run until told to end."""

import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import Final

from rich.console import Console

from sps.runtime.logs import configure_logs
from sps_cli.platform import Platform
from sps_cli.state_folder import StateFolder

FAILED: Final = 1


def run(state: Path, *, any_ports: bool = False) -> int:
    """Run the platform on a state folder; the exit code."""
    console = Console(stderr=False)
    configure_logs(level="warning", form="console" if sys.stdout.isatty() else "json")
    folder = StateFolder(state)
    folder.open(any_ports=any_ports)
    try:
        return asyncio.run(_run(folder, console))
    finally:
        folder.close()


async def _run(folder: StateFolder, console: Console) -> int:
    began = time.monotonic()
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    platform = Platform(folder)
    try:
        await platform.start(lambda what: console.print(f"  starting {what} …", style="dim"))
        _welcome(console, folder, time.monotonic() - began)
        code = await _until(ended, platform, console)
    finally:
        console.print("stopping …", style="dim")
        stopped = await platform.stop()
    return code if stopped else FAILED


async def _until(ended: asyncio.Event, platform: Platform, console: Console) -> int:
    asked = asyncio.ensure_future(ended.wait())
    broken = asyncio.ensure_future(platform.failed())
    try:
        await asyncio.wait({asked, broken}, return_when=asyncio.FIRST_COMPLETED)
        if broken.done():
            console.print(f"[red]{broken.result()} met a defect and stopped; see the log above[/red]")
            return FAILED
        return 0
    finally:
        asked.cancel()
        broken.cancel()


def _welcome(console: Console, folder: StateFolder, seconds: float) -> None:
    console.print(f"\n[bold green]ready[/bold green] in {seconds:.1f} s. Open in a browser:\n")
    console.print(f"  [bold]{folder.url('api')}[/bold]      Alice sells, Bob gets a link")
    console.print(
        f"  [bold]{folder.url('sandbox')}[/bold]      the sandbox: move parcels, see providers' books\n"
    )
    console.print(
        f"  state in {folder.path}, Ctrl-C stops. Four validators run here: one of them may fail.",
        style="dim",
    )
    sys.stdout.flush()
