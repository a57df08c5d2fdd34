"""State diagrams in Mermaid: writing them, and checking the part of the grammar that is used here.

The part: the head, an optional direction, and transitions `a --> b : words`. `[*]` is begin and end.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

HEAD: Final = "stateDiagram-v2"
OUTSIDE: Final = "[*]"
LINES_MAX: Final = 100
"""Of one diagram; a larger one is not read by anybody."""

RESERVED: Final = frozenset({"state", "note", "end", "direction", "default", "class", "as", "fork", "join"})
"""Words of the language, which cannot be the names of states."""

_TRANSITION: Final = re.compile(
    r" {4}(?P<before>\[\*\]|[a-z][a-z0-9_]*) --> (?P<after>\[\*\]|[a-z][a-z0-9_]*)"
    r"(?: : (?P<words>[A-Za-z0-9_.,+ -]+))?",
    re.ASCII,
)
_DIRECTION: Final = re.compile(r" {4}direction (?:TB|LR)")


class BadDiagram(ValueError):
    """The text is no diagram of the part of the language that is used here; the message names the line."""


class Edge(Struct, frozen=True, order=True):
    """One arrow. `words`: what happened, and the rows that fired."""

    before: str
    after: str
    words: str = ""


def diagram(edges: Iterable[Edge]) -> str:
    """The text of a diagram; raises `BadDiagram` when it would not be shown."""
    lines = [f"    {e.before} --> {e.after}" + (f" : {e.words}" if e.words else "") for e in edges]
    text = "\n".join((HEAD, *lines))
    check(text)
    return text


def fenced(text: str) -> str:
    """A diagram as a block of a Markdown page."""
    return f"```mermaid\n{text}\n```"


def diagrams_in(markdown: str) -> Iterator[str]:
    """The diagrams of a page."""
    for found in re.finditer(r"^```mermaid\n(.*?)\n```$", markdown, re.MULTILINE | re.DOTALL):
        yield found[1]


def check(text: str) -> tuple[Edge, ...]:
    """The arrows of a diagram; raises `BadDiagram` when a line is no arrow or a state cannot be reached."""
    head, *lines = text.split("\n")
    if head != HEAD:
        raise BadDiagram(f"a diagram begins with {HEAD}")
    if len(lines) > LINES_MAX:
        raise BadDiagram(f"{len(lines)} lines are more than {LINES_MAX}")
    edges = tuple(_edge(line) for line in lines if not _DIRECTION.fullmatch(line))
    if len(set(edges)) < len(edges):
        raise BadDiagram("an arrow stands twice")
    _check_connected(edges)
    return edges


def _edge(line: str) -> Edge:
    found = _TRANSITION.fullmatch(line)
    if found is None:
        raise BadDiagram(f"not a transition: {line!r}")
    edge = Edge(found["before"], found["after"], found["words"] or "")
    if {edge.before, edge.after} & RESERVED:
        raise BadDiagram(f"a state has the name of a word of the language: {line!r}")
    if edge.before == edge.after == OUTSIDE:
        raise BadDiagram("an arrow from nothing to nothing")
    return edge


def _check_connected(edges: tuple[Edge, ...]) -> None:
    """Every state can be reached from the beginning."""
    reached: set[str] = set()
    fresh = {edge.after for edge in edges if edge.before == OUTSIDE} - {OUTSIDE}
    while fresh:
        reached |= fresh
        fresh = {edge.after for edge in edges if edge.before in reached} - reached - {OUTSIDE}
    states = {name for edge in edges for name in (edge.before, edge.after)} - {OUTSIDE}
    if states - reached or not states:
        raise BadDiagram(f"no way leads to {sorted(states - reached)}")
