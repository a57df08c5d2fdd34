"""Trials: every stimulus tried on every sample of a contract, by the real rules; refusals are left out."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

from msgspec import Struct

from sps.escrow import clocks
from sps.escrow.evidence import MEANINGS
from sps.escrow.refusals import Refused
from sps.escrow.state import Deadline
from sps.transactions.terms import Terms
from sps.transactions.vocabulary import (
    AcceptGoods,
    Cancel,
    Decline,
    Fact,
    RefuseCancel,
    RequestCancel,
    Transaction,
    Withdraw,
)
from sps_cli.documents import trial_facts as say
from sps_cli.documents.trial_world import NOW_MS, TrialWorld

Stimulus = tuple[str, str, Callable[[TrialWorld], tuple[str, ...]]]
"""Tag of what happens, a detail, and how it is done; gives the rows that fired."""

_INSPECTION: Final = say.terms()
_AT_ONCE: Final = say.terms("on_delivery")
_TWO: Final = say.terms(parcels=2)


class Trial(Struct, frozen=True):
    """What one stimulus did to one sample."""

    event: str
    detail: str
    rules: tuple[str, ...]
    before: TrialWorld
    after: TrialWorld


@cache
def trials() -> tuple[Trial, ...]:
    """All of them, in a fixed order."""
    return tuple(trial for sample in _samples() for trial in _tried(sample))


def _tried(before: TrialWorld) -> Iterator[Trial]:
    for event, detail, act in _stimuli(before):
        after = before.copy()
        try:
            rules = act(after)
        except Refused:
            continue
        yield Trial(event, detail, rules, before, after)


# --- samples -----------------------------------------------------------------------------------


def _samples() -> Iterator[TrialWorld]:
    """Contracts and quotes in every state that a diagram shows; the state before the first step, too."""
    yield TrialWorld()
    offered = _after(TrialWorld(), say.offer(_INSPECTION))
    agreed = _after(offered, say.accept(_INSPECTION))
    yield from (offered, agreed)
    declined = _after(offered, Decline(say.FACT, say.CONTRACT))
    yield from (declined, _after(offered, Withdraw(say.FACT, say.CONTRACT)))
    for currency in (_INSPECTION.currency, say.OTHER_CURRENCY):
        yield _after(declined, say.cleared(currency=currency))
    yield _after(agreed, say.pending())
    yield _after(agreed, say.failed())
    yield _after(agreed, say.cleared(say.PRICE // 2, payment=say.other_payment()))
    yield _after(agreed, say.cleared(payment=say.other_payment()))
    funded = _funded(_INSPECTION)
    yield from (funded, _after(funded, RequestCancel(say.FACT, say.CONTRACT)))
    yield _after(_funded(_TWO), say.book("p2"))
    yield from _shipped(_after(funded, say.book()))
    yield from _decided(_after(_funded(_AT_ONCE), say.book()))
    yield from _quotes(funded)


def _funded(agreed: Terms) -> TrialWorld:
    return _after(TrialWorld(), say.offer(agreed), say.accept(agreed), say.cleared())


def _shipped(booked: TrialWorld) -> Iterator[TrialWorld]:
    """Every state of a parcel, with an inspection after the delivery."""
    yield booked
    for status in MEANINGS:
        if MEANINGS[status].rank:
            yield _after(booked, say.evidence(status))
    moving = _after(booked, say.evidence("picked_up"))
    for kind in (clocks.SILENCE, clocks.DELIVER):
        yield _fired(moving, kind)
    hinted = _after(booked, say.evidence("delivered", "L1"))
    yield from (hinted, _fired(hinted, clocks.INSPECTION))
    yield _after(booked, say.evidence("delivered", "elsewhere"))


def _decided(booked: TrialWorld) -> Iterator[TrialWorld]:
    """On the way with release on delivery, and delivered with it."""
    moving = _after(booked, say.evidence("in_transit"))
    yield from (moving, _after(moving, say.evidence("delivered", "L3")))
    yield _after(_funded(say.terms(reserve=True)), AcceptGoods(say.FACT, say.CONTRACT))


def _quotes(funded: TrialWorld) -> Iterator[TrialWorld]:
    rich = _after(funded, AcceptGoods(say.FACT, say.CONTRACT), say.publish_rates())
    asked = _after(rich, say.request_quote())
    yield from (rich, asked)
    yield _after(asked, say.lock_quote(asked))


def _after(world: TrialWorld, *facts: Transaction) -> TrialWorld:
    other = world.copy()
    for fact in facts:
        other.take(fact)
    return other


def _fired(world: TrialWorld, kind: str) -> TrialWorld:
    other = world.copy()
    deadline = next(d for d in other.contracts[say.CONTRACT].deadlines if d.kind == kind)
    other.let_fire(say.CONTRACT, deadline)
    return other


# --- stimuli -----------------------------------------------------------------------------------


def _stimuli(world: TrialWorld) -> Iterator[Stimulus]:
    """Everything that can happen to a sample: facts of all kinds, and each clock that runs."""
    known = world.contracts.get(say.CONTRACT)
    yield _fact(say.offer(_INSPECTION))
    if known is not None:
        yield _fact(say.accept(_INSPECTION))
        for kind in (Decline, Withdraw, Cancel, RequestCancel, RefuseCancel, AcceptGoods):
            yield _fact(kind(say.FACT, say.CONTRACT))
        yield from _payments()
        yield from _deliveries()
        for deadline in known.deadlines:
            yield _clock(say.CONTRACT, deadline)
        if known.tranches[0].state == "released":
            yield _fact(say.reverse_release(world))
    yield from _conversions(world)


def _payments() -> Iterator[Stimulus]:
    yield _fact(say.pending())
    yield _fact(say.failed())
    yield _fact(say.cleared(), "all")
    yield _fact(say.cleared(say.PRICE // 2), "part")
    yield _fact(say.cleared(2 * say.PRICE), "too much")
    yield _fact(say.cleared(currency=say.OTHER_CURRENCY), "other currency")


def _deliveries() -> Iterator[Stimulus]:
    yield _fact(say.book())
    yield _fact(say.book(tag=say.hashed("another tag")))
    for status in MEANINGS:
        yield _fact(say.evidence(status), status)
    yield _fact(say.evidence("delivered", "L1"), "delivered L1")
    yield _fact(say.evidence("delivered", "L3"), "delivered L3")
    yield _fact(say.evidence("delivered", "elsewhere"), "delivered elsewhere")


def _conversions(world: TrialWorld) -> Iterator[Stimulus]:
    yield _fact(say.request_quote())
    if world.rates is not None:
        yield _fact(say.lock_quote(world))
    yield _fact(say.accept_quote())
    quote = world.quotes.get(say.QUOTE)
    if quote is not None and quote.state in {"requested", "locked"}:
        yield _clock(say.QUOTE, Deadline(quote.expires_ms, clocks.QUOTE, ""))


def _fact(fact: Transaction, detail: str = "") -> Stimulus:
    return tag_of(type(fact)), detail, lambda world: world.take(fact, NOW_MS).rules


def _clock(owner: str, deadline: Deadline) -> Stimulus:
    return f"deadline.{deadline.kind}", "", lambda world: world.let_fire(owner, deadline).rules


def tag_of(kind: type[Fact]) -> str:
    """The tag of a kind of fact on the wire."""
    return str(kind.__struct_config__.tag)
