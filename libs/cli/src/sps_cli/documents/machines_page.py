"""`docs/machines.md`: the machines of a contract, drawn from trials of the real rules and from tables."""

from collections.abc import Iterator
from typing import Final

from sps.escrow import evidence
from sps_cli.documents.deadlines import deadlines
from sps_cli.documents.machines import MACHINES, edges_of, payout_edges, refund_edges
from sps_cli.documents.markdown import code, page, table
from sps_cli.documents.mermaid import Edge, diagram, fenced

_LEAD: Final = (
    "The states of a contract and what moves them. An arrow names what happened, by the tag of the "
    "transaction or as `deadline.<kind>`, and the rows of the rules that fired; the same rows stand in the "
    "receipts. Everything that has no arrow is refused or changes nothing. The story is told in "
    "[life-of-a-contract.md](life-of-a-contract.md)."
)
_REFUND: Final = "A buyer's money on its way back on the rail it came from."
_PAYOUT: Final = "An order to pay a seller: one identifier is one order for ever."
_PARCEL: Final = (
    "Statuses of carriers by rank. A status that needs proof moves nothing while it is a mere hint (L1), "
    "since it could take money from a party."
)
_DEADLINES: Final = (
    "Block time only: a deadline fires in the first block that has reached it, before that block's "
    "transactions. The terms may set each within its range."
)


def machines() -> str:
    """The page."""
    return page("Machines", _LEAD, _parts())


def _parts() -> Iterator[str]:
    *first, quote = MACHINES
    for machine in first:
        yield from _part(machine.name, machine.what, edges_of(machine))
        if machine.name == "parcel":
            yield from (_PARCEL, _statuses())
    yield from _part("refund", _REFUND, refund_edges())
    yield from _part("payout", _PAYOUT, payout_edges())
    yield from _part(quote.name, quote.what, edges_of(quote))
    yield from ("## Deadlines", _DEADLINES, deadlines())


def _part(name: str, what: str, edges: tuple[Edge, ...]) -> tuple[str, ...]:
    return f"## {name.capitalize()}", what, fenced(diagram(edges))


def _statuses() -> str:
    rows = [
        (
            code(status),
            str(meaning.rank),
            code(meaning.state),
            meaning.row,
            "yes" if meaning.needs_proof else "",
        )
        for status, meaning in evidence.MEANINGS.items()
    ]
    return table(("status", "rank", "state", "row", "needs proof"), rows)
