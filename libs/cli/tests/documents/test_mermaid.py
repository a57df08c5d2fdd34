"""The check of diagrams accepts what is written here and refuses what would not be shown."""

import pytest

from sps_cli.documents.mermaid import HEAD, OUTSIDE, BadDiagram, Edge, check, diagram, diagrams_in, fenced

GOOD = f"{HEAD}\n    direction LR\n    [*] --> open : offer F1\n    open --> [*]"


def test_a_diagram_is_read_back_as_it_was_written():
    edges = (Edge(OUTSIDE, "open", "contract.offer.v1 F1"), Edge("open", "open", "M7"), Edge("open", OUTSIDE))
    assert check(diagram(edges)) == edges


def test_a_direction_is_no_arrow():
    assert check(GOOD) == (Edge(OUTSIDE, "open", "offer F1"), Edge("open", OUTSIDE))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "stateDiagram\n    [*] --> open",
        HEAD,
        f"{HEAD}\n",
        f"{HEAD}\n[*] --> open",
        f"{HEAD}\n    [*] -> open",
        f"{HEAD}\n    [*] --> open :",
        f"{HEAD}\n    [*] --> open : a;b",
        f"{HEAD}\n    [*] --> open : a: b",
        f'{HEAD}\n    [*] --> open : say "hello"',
        f"{HEAD}\n    [*] --> Open",
        f"{HEAD}\n    [*] --> held-by",
        f"{HEAD}\n    [*] --> end",
        f"{HEAD}\n    [*] --> [*]",
        f"{HEAD}\n    [*] --> open\n    [*] --> open",
        f"{HEAD}\n    [*] --> open\n    lost --> open",
        f"{HEAD}\n    open --> shut",
        f"{HEAD}\n" + "\n".join(f"    [*] --> s{n}" for n in range(101)),
    ],
)
def test_what_would_not_be_shown_is_refused(text):
    with pytest.raises(BadDiagram):
        check(text)


def test_a_state_that_nothing_leads_to_is_named():
    with pytest.raises(BadDiagram, match=r"no way leads to \['lost'\]"):
        diagram((Edge(OUTSIDE, "open"), Edge("lost", "open")))


def test_diagrams_are_found_in_a_page():
    page = f"# Title\n\n{fenced(GOOD)}\n\n```\nno diagram\n```\n\n{fenced(GOOD)}\n"
    assert list(diagrams_in(page)) == [GOOD, GOOD]
