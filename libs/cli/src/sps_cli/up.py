"""`sps up`: start, say where to look, run until told to end.

Without servers everything runs in this process. With Kafka and PostgreSQL every validator and service has a
process of its own, and this one watches them.
"""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from sps.runtime.logs import configure_logs
from sps_cli.fleet import Ended, Fleet
from sps_cli.fleet_keeper import Keeper
from sps_cli.platform import Platform
from sps_cli.state_folder import StateFolder
from sps_cli.wiring import ALL, backends_of, collector_at, servers_at

FAILED: Final = 1


def run(
    state: Path, *, any_ports: bool = False, kafka: str = "", postgres: str = "", traces: str = ""
) -> int:
    """Run an installation on a state folder; the exit code."""
    console = Console(stderr=False)
    configure_logs(level="warning", form="console" if sys.stdout.isatty() else "json")
    return asyncio.run(_run(StateFolder(state), console, any_ports, kafka, postgres, traces))


async def _run(
    folder: StateFolder, console: Console, any_ports: bool, kafka: str, postgres: str, traces: str
) -> int:
    servers, traces = servers_at(kafka, postgres), collector_at(traces)
    if servers and folder.is_new:
        from sps_cli.provision import refuse_databases

        await refuse_databases(servers.postgres)
    folder.open(any_ports=any_ports, servers=servers or None)
    try:
        with _asked_to_end() as ended:
            return await (_fleet if folder.servers else _platform)(folder, console, ended, traces)
    finally:
        folder.close()


@contextlib.contextmanager
def _asked_to_end() -> Iterator[asyncio.Event]:
    """Set by Ctrl-C or SIGTERM."""
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, ended.set)
    try:
        yield ended
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def _platform(folder: StateFolder, console: Console, ended: asyncio.Event, traces: str) -> int:
    """Everything in this process."""
    began, platform, code = time.monotonic(), Platform(folder, trace_endpoint=traces), 0
    try:
        await platform.start(lambda what: console.print(f"  starting {what} …", style="dim"))
        _welcome(console, folder, time.monotonic() - began)
        if (broken := await _first(ended, platform.failed())) is not None:
            console.print(f"[red]{broken} met a defect and stopped; see the log above[/red]")
            code = FAILED
    finally:
        console.print("stopping …", style="dim")
        stopped = await platform.stop()
    return code if stopped else FAILED


async def _fleet(folder: StateFolder, console: Console, ended: asyncio.Event, traces: str) -> int:
    """A process each, on servers."""
    from sps_cli.provision import apply_topics, create_databases

    def told(what: str) -> None:
        console.print(f"  {what}", style="dim", markup=False, soft_wrap=True)
        sys.stdout.flush()

    began, servers = time.monotonic(), folder.servers
    for name in await create_databases(servers.postgres):
        told(f"made the database {name}")
    await apply_topics(servers.event_log)
    fleet, code = Fleet(folder, backends_of(folder), trace_endpoint=traces), 0
    keeper = Keeper(fleet, told)
    try:
        if await _first(ended, _started(fleet, told)) is not None:
            keeper.start(ALL)
            _welcome(console, folder, time.monotonic() - began)
            if (refused := await _first(ended, keeper.given_up())) is not None:
                console.print(f"[red]{refused} refuses to run; see above what to do[/red]", soft_wrap=True)
                code = FAILED
    finally:
        console.print("stopping …", style="dim")
        await keeper.stop()
        stopped = await fleet.stop()
        await fleet.close()
    return max(code, _tell_ends(stopped, told))


async def _started(fleet: Fleet, told: Any) -> bool:
    await fleet.start(told)
    return True


def _tell_ends(ended: dict[str, Ended], told: Any) -> int:
    """Who did not end well, if anybody; the exit code."""
    bad = {name: each for name, each in ended.items() if not each.well}
    for name, each in bad.items():
        told(f"{name} did not end well: {each.how} after {each.seconds:.1f} s")
    return FAILED if bad else 0


async def _first(ended: asyncio.Event, work: Coroutine[Any, Any, Any]) -> Any:
    """What `work` returns, or None when it was asked to end before."""
    asked, working = asyncio.ensure_future(ended.wait()), asyncio.ensure_future(work)
    try:
        await asyncio.wait({asked, working}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        asked.cancel()
        working.cancel()
        await asyncio.gather(asked, working, return_exceptions=True)


def _welcome(console: Console, folder: StateFolder, seconds: float) -> None:
    apart = bool(folder.servers)
    console.print(f"\n[bold green]ready[/bold green] in {seconds:.1f} s. Open in a browser:\n")
    console.print(f"  [bold]{folder.url('api')}[/bold]      Alice sells, Bob gets a link")
    console.print(
        f"  [bold]{folder.url('sandbox')}[/bold]      the sandbox: move parcels, see providers' books\n"
    )
    last = "Kill any process: it comes back." if apart else "Four validators run here: one of them may fail."
    console.print(f"  state in {folder.path}, Ctrl-C stops. {last}", style="dim", soft_wrap=True)
    sys.stdout.flush()
