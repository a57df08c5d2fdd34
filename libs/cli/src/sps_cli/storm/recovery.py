"""How long it takes until it flows again after a fault, and whether everything that lived through it ends."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from sps.runtime.errors import is_trouble
from sps_cli.storm.arena import Arena
from sps_cli.storm.audit import findings, unfinished
from sps_cli.storm.faults import Fault, strike
from sps_cli.storm.load import Load
from sps_cli.storm.patient import StormTale
from sps_cli.storm.registers import Registers, read_registers

LIMIT_S: Final = 60.0
"""All that a fault has delayed ends within this, or it is stuck."""
AGREE_S: Final = 20.0
AGREE_POLL_S: Final = 0.5


class Strike(Struct, frozen=True):
    """One fault, or several at once, and what followed; seconds."""

    faults: tuple[Fault, ...]
    took_s: float
    """From its beginning until nothing was broken on purpose any more."""
    flows_s: float | None
    """From then until the first story ended; None: none did within `LIMIT_S`."""
    settled_s: float | None
    """From then until every story had ended that was under way; None: one did not."""
    slowest: str = ""
    """The step that took longest in those stories, for whoever looks for the cause."""

    @property
    def name(self) -> str:
        return " + ".join(map(str, self.faults))


async def struck(arena: Arena, load: Load, faults: Sequence[Fault], *, calm: bool = False) -> Strike:
    """Let it happen under load and see how it goes on; `calm`: afterwards nobody begins a new story."""
    began = time.monotonic()
    healed = max(await asyncio.gather(*(strike(arena, fault) for fault in faults)))
    caught = load.under_way()
    if calm and caught:
        load.calm()
    first = await load.next_end(healed, LIMIT_S)
    all_ended = await load.ended_all(caught, max(0.0, healed + LIMIT_S - time.monotonic()))
    settled = max((tale.ended for tale in caught), default=healed)
    well = all_ended and all(tale.ended for tale in caught)
    return Strike(
        tuple(faults),
        round(healed - began, 2),
        None if first is None else round(first - healed, 2),
        round(max(0.0, settled - healed), 2) if well else None,
        _slowest(caught),
    )


def _slowest(tales: Sequence[StormTale]) -> str:
    steps = [(seconds, name, tale.name) for tale in tales for name, seconds in tale.took.items()]
    if not steps:
        return ""
    seconds, name, tale = max(steps)
    return f"{name} of {tale} {seconds:.1f} s"


async def audited(arena: Arena, load: Load) -> tuple[list[str], Registers | None]:
    """Hush the load and compare everything; what is wrong, and what our registers said at last."""
    await load.hush(LIMIT_S)
    end = time.monotonic() + AGREE_S
    while True:
        wrong, ours = await _looked_at(arena, load)
        # A story that is stuck stays so; everything else may take a moment to be written down everywhere.
        if not wrong or wrong == unfinished(load.tales) or time.monotonic() > end:
            return wrong, ours
        await asyncio.sleep(AGREE_POLL_S)


async def _looked_at(arena: Arena, load: Load) -> tuple[list[str], Registers | None]:
    try:
        ours = await read_registers(arena.folder, arena.fleet.wiring.backends.database, load.client)
        books = await load.sandbox("GET", "/control/books")
    except Exception as error:
        if not is_trouble(error):
            raise
        return [f"the registers cannot be read: {error!r}"], None
    return findings(load.tales, books, ours), ours
