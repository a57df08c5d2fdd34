"""One installation on real servers for a whole module of tests, under a load that never ends, and a table of what it took."""

import os
import random
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from sps_cli.storm.arena import Arena
from sps_cli.storm.faults import Fault
from sps_cli.storm.load import Load
from sps_cli.storm.recovery import Strike, audited, struck

SEED_MAX: Final = 2**31
TELLERS: Final = 3
NAME_MAX: Final = 45
SEED: Final = int(os.environ.get("SPS_STORM_SEED") or secrets.randbelow(SEED_MAX))
"""Of all random moments; printed with the table, and given by `SPS_STORM_SEED` to repeat them."""


class Town:
    """The installation, its load, and what has happened so far."""

    def __init__(self, arena: Arena, load: Load) -> None:
        self.arena: Final = arena
        self.load: Final = load
        self.strikes: Final[list[Strike]] = []
        self._wrong: list[str] = []

    async def suffers(self, *faults: Fault) -> Strike:
        """Faults under load; afterwards everything has ended that lived through them, and the books are exact."""
        assert not self._wrong, "the installation was broken by a test before this one"
        strike = await struck(self.arena, self.load, faults, calm=True)
        self.strikes.append(strike)
        await self.is_exact()
        assert strike.settled_s is not None, strike
        return strike

    async def is_exact(self) -> None:
        """Nobody died by himself, no client was refused, and all books say the same; then the load goes on."""
        assert not self._wrong, "the installation was broken by a test before this one"
        wrong, _ = await audited(self.arena, self.load)
        self._wrong = [*self.fallen(), *self.load.broken, *wrong]
        assert not self._wrong, "\n".join(self._wrong)
        self.load.go_on()

    def fallen(self) -> list[str]:
        """Who ended without having been told to."""
        fleet = self.arena.fleet
        return [f"{name} ended with {code}: {fleet.tail(name)}" for name, code in fleet.fallen().items()]

    async def misbehave(self, **how: object) -> None:
        """Tell the outside world to misbehave from now on."""
        await self.load.sandbox("POST", "/control/misbehave", how)


@asynccontextmanager
async def town(folder: Path) -> AsyncIterator[Town]:
    """Everything up, the load running; afterwards nothing is left."""
    arena = Arena(folder)
    await arena.start()
    load = Load(arena.places, tellers=TELLERS, seed=SEED, name=f"fleet{SEED}")
    try:
        load.start()
        yield Town(arena, load)
    finally:
        await load.stop()
        await arena.stop()


def moment(name: str, longest_s: float) -> float:
    """A random moment that follows from the seed and the name of what happens then."""
    return random.Random(f"{SEED}-{name}").uniform(0.0, longest_s)


def table(strikes: Iterable[Strike]) -> list[str]:
    """One line a fault; seconds."""
    title = f"SPS_STORM_SEED={SEED}; seconds: broken for, until the first story ended, until all were through"
    return [title, *(_line(each) for each in strikes)]


def _line(strike: Strike) -> str:
    name = strike.name if len(strike.name) < NAME_MAX else f"{len(strike.faults)} at once"
    return f"{name:{NAME_MAX}} {strike.took_s:6.1f} {_shown(strike.flows_s)} {_shown(strike.settled_s)}  {strike.slowest}"


def _shown(seconds: float | None) -> str:
    return " never" if seconds is None else f"{seconds:6.1f}"
