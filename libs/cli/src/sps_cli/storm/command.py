"""`sps storm`: servers, a fleet, load, and random faults one after the other; at the end the audit.

Exit code 1 when anything is lost, paid twice, stuck or different. Ctrl-C ends the faults, not the audit.
"""

import asyncio
import random
import secrets
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from rich.console import Console

from sps.runtime.logs import configure_logs
from sps_cli.storm.arena import Arena
from sps_cli.storm.audit import lost, paid_twice, unfinished
from sps_cli.storm.faults import any_fault, any_mischief, two_at_once
from sps_cli.storm.load import Load
from sps_cli.storm.recovery import Strike, audited, struck
from sps_cli.storm.registers import Registers
from sps_cli.storm.report import Outcome, check_page, show, write_page

FAILED: Final = 1
SEED_MAX: Final = 2**31
TELLERS: Final = 4
BETWEEN_S: Final = (0.2, 3.0)
"""Rest between two faults."""
TWO_SHARE: Final = 0.15
AUDIT_EVERY_S: Final = 300.0
S_PER_MINUTE: Final = 60.0


def run(
    minutes: float, seed: int | None, out: Path | None, folder: Path | None, tellers: int = TELLERS
) -> int:
    """Run it; the exit code."""
    if out is not None:
        check_page(out)
    console = Console()
    configure_logs(level="error", form="console")
    seed = secrets.randbelow(SEED_MAX) if seed is None else seed
    path = folder or Path(tempfile.mkdtemp(prefix="sps-storm-"))
    storm = Storm(path, minutes * S_PER_MINUTE, seed, tellers, console)
    outcome = asyncio.run(storm.run(f"sps storm --minutes {minutes:g} --seed {seed}"))
    show(outcome, console)
    if out is not None:
        write_page(out, outcome)
    if folder is None and outcome.well:
        shutil.rmtree(path)
    else:
        console.print(f"everything is kept in {path}", soft_wrap=True)
    return 0 if outcome.well else FAILED


class Storm:
    """One run."""

    def __init__(self, folder: Path, seconds: float, seed: int, tellers: int, console: Console) -> None:
        self._arena: Final = Arena(folder)
        self._seconds: Final = seconds
        self._seed: Final = seed
        self._tellers: Final = tellers
        self._chance: Final = random.Random(seed)  # noqa: S311 a storm that can be repeated
        self._console: Final = console
        self._ended: Final = asyncio.Event()
        self._strikes: Final[list[Strike]] = []
        self._wrong: Final[list[str]] = []
        self._began = 0.0

    async def run(self, command: str) -> Outcome:
        """Start everything, storm, audit, stop everything."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._end)
        self._console.print(f"{command}; Ctrl-C ends with the audit", style="bold", soft_wrap=True)
        await self._arena.start(lambda what: self._console.print(f"  {what}", style="dim", soft_wrap=True))
        load = Load(self._arena.places, tellers=self._tellers, seed=self._seed, name=f"storm{self._seed}")
        try:
            self._began = time.monotonic()
            load.start()
            await self._storm(load)
            return await self._last(command, load)
        finally:
            await load.stop()
            await self._arena.stop()

    def _end(self) -> None:
        """The first time: go on to the audit. The second time: leave at once."""
        if self._ended.is_set():
            raise KeyboardInterrupt
        self._ended.set()

    async def _storm(self, load: Load) -> None:
        audit_at = time.monotonic() + AUDIT_EVERY_S
        while self._left_s() > 0 and not self._wrong and not await self._rest():
            twice = self._chance.random() < TWO_SHARE
            faults = two_at_once(self._chance) if twice else (any_fault(self._chance),)
            await load.sandbox("POST", "/control/misbehave", any_mischief(self._chance))
            self._strikes.append(await struck(self._arena, load, faults))
            await self._raise_the_fallen()
            self._progress(load)
            if time.monotonic() > audit_at:
                self._wrong.extend((await audited(self._arena, load))[0])
                audit_at = time.monotonic() + AUDIT_EVERY_S
                load.go_on()

    async def _last(self, command: str, load: Load) -> Outcome:
        """The quiet phase: nothing is broken any more, so everything has to end; then the audit."""
        self._console.print("quiet: every story has to end now", style="dim")
        await load.sandbox("POST", "/control/misbehave", {})
        seconds = time.monotonic() - self._began
        wrong, ours = await audited(self._arena, load)
        books = await load.sandbox("GET", "/control/books")
        provider = sum(
            int(each["repeats"]) for part in ("payments", "payouts", "refunds") for each in books[part]
        )
        return Outcome(
            command=command,
            seconds=seconds,
            strikes=tuple(self._strikes),
            contracts=len([tale for tale in load.tales if tale.contract]),
            finished=len(load.ended()),
            payouts=len(books["payouts"]),
            refunds=len(books["refunds"]),
            repeated=load.repeated,
            duplicates={"calls by the providers": provider} | _recognised(ours),
            lost=lost(load.tales, books),
            paid_twice=paid_twice(books),
            stuck=len(unfinished(load.tales)),
            wrong=tuple(dict.fromkeys([*self._wrong, *load.broken, *wrong])),
        )

    async def _rest(self) -> bool:
        """Between two faults; tell whether it was asked to end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._chance.uniform(*BETWEEN_S)):
                await self._ended.wait()
        return self._ended.is_set()

    async def _raise_the_fallen(self) -> None:
        """Nobody ends by himself: that is a finding, and the storm goes on with him."""
        for name, code in self._arena.fleet.fallen().items():
            self._wrong.append(f"{name} ended by itself with {code}: {self._arena.fleet.tail(name)}")
            await self._arena.fleet.start_one(name)

    def _left_s(self) -> float:
        return self._began + self._seconds - time.monotonic()

    def _progress(self, load: Load) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        ended = load.ended()
        paid = len([tale for tale in ended if tale.payout])
        counts = f"{len(ended):5} contracts {paid:5} payouts {len(self._strikes):4} strikes"
        line = f"{minutes:3}:{seconds:02}  {counts}  {_in_words(self._strikes[-1])}"
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def _in_words(strike: Strike) -> str:
    flows = "it does not flow" if strike.flows_s is None else f"flows after {strike.flows_s:.1f} s"
    settled = (
        "some story is stuck" if strike.settled_s is None else f"all through after {strike.settled_s:.1f} s"
    )
    return f"{strike.name} {strike.took_s:.1f} s: {flows}, {settled} ({strike.slowest})"


def _recognised(ours: Registers | None) -> dict[str, int]:
    return {f"{where} by us": count for where, count in ours.duplicates.items()} if ours else {}
