"""Misbehaviour on request: what real providers do on bad days, in bounded amounts."""

from msgspec.structs import replace

from sandbox.application.ports import Store, Unit
from sandbox.core.parcels import CARRIERS
from sandbox.core.records import PROVIDERS, Mischief

EVERYBODY = (*PROVIDERS, *CARRIERS)


async def mischief_of(unit: Unit, provider: str) -> Mischief:
    """How a provider misbehaves now."""
    return await unit.find(Mischief, provider=provider) or Mischief(provider)


async def misbehave(store: Store, wish: Mischief) -> list[Mischief]:
    """Set the misbehaviour of one provider, or of all when none is named; counters are set, not added."""
    async with store.transaction() as unit:
        return [
            await _set(unit, replace(wish, provider=provider))
            for provider in ((wish.provider,) if wish.provider else EVERYBODY)
        ]


async def take(unit: Unit, provider: str, counter: str) -> bool:
    """Use one of a counter up; False when there is none left."""
    found = await mischief_of(unit, provider)
    left: int = getattr(found, counter)
    if left > 0:
        await _set(unit, replace(found, **{counter: left - 1}))
    return left > 0


async def _set(unit: Unit, wish: Mischief) -> Mischief:
    known = await unit.find(Mischief, provider=wish.provider)
    return await unit.save(replace(wish, id=known.id)) if known else await unit.add(replace(wish, id=0))
