"""What is done to an installation on purpose: one fault has a beginning, a duration and an end."""

import asyncio
import random
import time
from typing import Final, Literal

from msgspec import Struct

from sps_cli.storm.arena import BEHIND_KAFKA, SERVERS, Arena, Server, Way
from sps_cli.wiring import NODES, SERVICES

Kind = Literal["kill", "pause", "cut", "hold", "slow", "lose answers"]
PROCESSES: Final = (*NODES, *SERVICES)
DOWN_S: Final = (0.0, 4.0)
PAUSED_S: Final = (1.0, 10.0)
DISTURBED_S: Final = (2.0, 8.0)
SLOW_S: Final = (0.02, 0.4)
"""Extra delay of every piece, in each direction."""


class Fault(Struct, frozen=True):
    """One thing that goes wrong, and for how long."""

    kind: Kind
    target: str
    """A process of the fleet, `kafka` or `postgres`; for a network the process at its end."""
    seconds: float
    server: Server | None = None
    """The other end of the network."""
    delay_s: float = 0.0

    def __str__(self) -> str:
        where = f"{self.target} ↔ {self.server}" if self.server else self.target
        return f"{self.kind} {where}"


async def strike(arena: Arena, fault: Fault) -> float:
    """Let it happen and end; returns the moment (monotonic) from which on nothing is broken on purpose.

    A killed process counts as repaired when it is started again, a killed server when it answers again.
    """
    if fault.server is not None:
        await _disturb(arena, fault, Way(fault.target, fault.server))
    elif fault.kind == "kill":
        await _kill(arena, fault)
    else:
        await _pause(arena, fault)
    return time.monotonic()


async def _kill(arena: Arena, fault: Fault) -> None:
    if fault.target in SERVERS:
        server = arena.kafka if fault.target == "kafka" else arena.postgres
        await server.kill()
        await asyncio.sleep(fault.seconds)
        await server.start()
        return
    await arena.fleet.kill(fault.target)
    await asyncio.sleep(fault.seconds)
    await arena.fleet.start_one(fault.target)


async def _pause(arena: Arena, fault: Fault) -> None:
    if fault.target in SERVERS:
        server = arena.kafka if fault.target == "kafka" else arena.postgres
        server.pause()
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            server.resume()
        return
    arena.fleet.pause(fault.target)
    try:
        await asyncio.sleep(fault.seconds)
    finally:
        arena.fleet.resume(fault.target)


async def _disturb(arena: Arena, fault: Fault, way: Way) -> None:
    proxy = arena.ways[way]
    try:
        match fault.kind:
            case "cut":
                await proxy.cut()
            case "hold":
                proxy.hold()
            case "slow":
                proxy.slow(fault.delay_s, fault.delay_s / 2)
            case "lose answers":
                proxy.drop_answers()
            case _:
                raise ValueError(f"nothing that a network does: {fault.kind}")
        await asyncio.sleep(fault.seconds)
    finally:
        await proxy.heal()


def any_fault(chance: random.Random) -> Fault:
    """Half of them kill, the rest pause and disturb; every target has its turn."""
    kind = chance.choices(("kill", "pause", "network"), weights=(5, 2, 3))[0]
    target = chance.choice((*PROCESSES, *SERVERS))
    if kind == "kill":
        return Fault("kill", target, _seconds(chance, DOWN_S))
    if kind == "pause":
        return Fault("pause", target, _seconds(chance, PAUSED_S))
    return _any_network(chance)


def two_at_once(chance: random.Random) -> tuple[Fault, Fault]:
    """Two faults that do not take each other's target away, and leave a quorum of validators."""
    first = any_fault(chance)
    while True:
        second = any_fault(chance)
        nodes = {first.target, second.target} & set(NODES)
        if second.target != first.target and len(nodes) < 2:  # noqa: PLR2004 one of four may fail
            return first, second


def any_mischief(chance: random.Random) -> dict[str, object]:
    """How the providers and carriers misbehave meanwhile, for the sandbox's `/control/misbehave`."""
    return {
        "repeat": chance.choice((0, 1, 3)),
        "shuffle": chance.random() < 0.5,  # noqa: PLR2004 a coin
        "drop_answer_after_executing": chance.choice((0, 0, 1, 3)),
        "delay_ms": chance.choice((0, 0, 500)),
    }


def _any_network(chance: random.Random) -> Fault:
    way = chance.choice(
        [Way(name, "kafka") for name in BEHIND_KAFKA] + [Way(name, "postgres") for name in SERVICES]
    )
    kinds: tuple[Kind, ...] = ("cut", "hold", "slow", "lose answers")
    kind = chance.choice(kinds)
    delay_s = _seconds(chance, SLOW_S) if kind == "slow" else 0.0
    return Fault(kind, way.process, _seconds(chance, DISTURBED_S), way.server, delay_s)


def _seconds(chance: random.Random, bounds: tuple[float, float]) -> float:
    return round(chance.uniform(*bounds), 2)
