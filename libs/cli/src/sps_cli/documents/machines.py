"""The machines of a contract as diagrams: states before and after every trial, with the rows that fired."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from msgspec import Struct

from sps.escrow import agreement, payout, refund
from sps.escrow.evidence import MEANINGS
from sps.escrow.state import Contract
from sps.transactions.vocabulary import AcceptGoods, Fact, ParcelEvidence
from sps_cli.documents import trial_facts as say
from sps_cli.documents.mermaid import OUTSIDE, Edge
from sps_cli.documents.trial_world import TrialWorld
from sps_cli.documents.trials import Trial, tag_of, trials

EVIDENCE: Final = tag_of(ParcelEvidence)
RANKS: Final = sorted({meaning.rank for meaning in MEANINGS.values()})


class Machine(Struct, frozen=True):
    """One machine: where to read its state, and which rows are its own."""

    name: str
    what: str
    state: Callable[[TrialWorld], str]
    rows: str
    loops: frozenset[str] = frozenset()
    """Rows that leave the machine where it is and are drawn all the same."""
    keep: Callable[[Trial, str, str], bool] = lambda _trial, _before, _after: True
    details: frozenset[str] = frozenset()
    """Facts of which the detail is written too."""
    ends: frozenset[str] = frozenset()
    """States that usually are the last although a way leads on."""


def _contract(world: TrialWorld) -> Contract | None:
    return world.contracts.get(say.CONTRACT)


def _agreement(world: TrialWorld) -> str:
    contract = _contract(world)
    if contract is None:
        return OUTSIDE
    if contract.agreement not in {"offered", "agreed"}:
        return contract.agreement
    phase = agreement.phase_of(contract)
    return "decided" if phase == "ended" else phase


def _payin(world: TrialWorld) -> str:
    contract = _contract(world)
    payins = () if contract is None else contract.payins
    return next((payin.state for payin in payins if payin.id == say.PAYMENT), OUTSIDE)


def _parcel(world: TrialWorld) -> str:
    contract = _contract(world)
    return OUTSIDE if contract is None else contract.parcels[0].state


def _tranche(world: TrialWorld) -> str:
    contract = _contract(world)
    return OUTSIDE if contract is None else contract.tranches[0].state


def _quote(world: TrialWorld) -> str:
    quote = world.quotes.get(say.QUOTE)
    return OUTSIDE if quote is None else quote.state


def _neighbours(trial: Trial, before: str, after: str) -> bool:
    """Of a parcel: what happens on the way stands for the same elsewhere; messages go rank by rank."""
    if before in {OUTSIDE, "planned", "in_transit"}:
        return True
    if trial.event != EVIDENCE:
        return before in {"booked", "silent"} and trial.event != tag_of(AcceptGoods)
    if before == "silent" or (before == "lost" and after == "in_transit"):
        return trial.detail == after == "in_transit"
    higher = [rank for rank in RANKS if rank > _rank_of(before)]
    return trial.detail in MEANINGS and bool(higher) and _rank_of(after) == higher[0]


def _rank_of(state: str) -> int:
    return max((meaning.rank for meaning in MEANINGS.values() if meaning.state == state), default=0)


MACHINES: Final = (
    Machine(
        "agreement",
        "Who agreed to what, and how far the money and the goods are, as far as the parties' commands can "
        "tell a difference. `decided`: every tranche is released or refunded.",
        _agreement,
        r"F\d+|P24",
        loops=frozenset({"F20"}),
        ends=frozenset({"decided"}),
    ),
    Machine(
        "pay-in",
        "One attempt of the buyer to pay. Money is not refused: it is held, given back or parked; without a "
        "contract, or beyond the attempts that a contract keeps, it stands in suspense (P10).",
        _payin,
        r"F\d+",
    ),
    Machine(
        "parcel",
        "What the set of a carrier's messages and the clocks say. Arrows of messages are drawn from "
        "`in_transit` and between neighbouring ranks; a message moves a parcel from every state of a lower "
        "rank, and within a rank the later one counts.",
        _parcel,
        r"D\d+",
        loops=frozenset({"D2"}),
        keep=_neighbours,
        ends=frozenset({"delivered"}),
        details=frozenset({EVIDENCE}),
    ),
    Machine(
        "tranche",
        "A unit of money. It leaves the escrow once; only two operators together take a release back (P24).",
        _tranche,
        r"M\d+|F9|F15|F19|F2\d|P24",
        loops=frozenset({"M7"}),
        ends=frozenset({"released"}),
        details=frozenset({EVIDENCE}),
    ),
    Machine("quote", "A rate offer for exactly one amount, used once or never.", _quote, r"S\d+"),
)


def edges_of(machine: Machine) -> tuple[Edge, ...]:
    """The arrows of a machine, each once, in the order in which the trials found them."""
    return _closed(tuple(dict.fromkeys(_moves(machine))), machine.ends)


def _moves(machine: Machine) -> Iterator[Edge]:
    for trial in trials():
        before, after = machine.state(trial.before), machine.state(trial.after)
        rows = [row for row in trial.rules if re.fullmatch(machine.rows, row)]
        if before == after and not machine.loops.intersection(rows):
            continue
        if machine.keep(trial, before, after):
            yield Edge(before, after, " ".join((_said(machine, trial), *rows)))


def _said(machine: Machine, trial: Trial) -> str:
    if trial.event in machine.details and trial.detail:
        return trial.detail if machine.name == "parcel" else f"{trial.event} {trial.detail}"
    return trial.event


# --- machines whose table says it all ----------------------------------------------------------


def refund_edges() -> tuple[Edge, ...]:
    """From the table of refunds; the order itself is P40."""
    steps = ((old, kind, step.row, step.to) for (old, kind), step in refund.TRANSITIONS.items())
    return _of_table("ordered", "P40", steps)


def payout_edges() -> tuple[Edge, ...]:
    """From the table of payouts; the order itself is S1."""
    steps = ((old, kind, step.row, step.to) for (old, kind), step in payout.TRANSITIONS.items())
    return _of_table("ordered", "S1", steps, frozenset({"paid"}))


def _of_table(
    first: str,
    row: str,
    steps: Iterable[tuple[str, type[Fact], str, str]],
    ends: frozenset[str] = frozenset(),
) -> tuple[Edge, ...]:
    edges = tuple(Edge(old, new, f"{tag_of(kind)} {fired}") for old, kind, fired, new in steps)
    return _closed((Edge(OUTSIDE, first, row), *edges), ends)


def _closed(edges: tuple[Edge, ...], ends: frozenset[str]) -> tuple[Edge, ...]:
    """With an arrow out of every state from which no other leads."""
    left = {edge.before for edge in edges if edge.before != edge.after}
    last = sorted(({edge.after for edge in edges} - left) | ends)
    return (*edges, *(Edge(state, OUTSIDE) for state in last))
