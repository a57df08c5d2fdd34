"""Spelling Markdown: tables and code words whose content cannot break the page."""

from collections.abc import Iterable, Sequence
from typing import Final

GENERATED: Final = "<!-- Built from the code by `sps docs build`. Do not edit. -->"


def page(title: str, lead: str, parts: Iterable[str]) -> str:
    """A whole page: title, the note that it is built, one paragraph, parts."""
    return "\n\n".join((f"# {title}", GENERATED, lead, *parts)) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; every cell stands on one line."""
    lines = [_row(head), _row(["---"] * len(head)), *map(_row, rows)]
    return "\n".join(lines)


def code(text: str) -> str:
    """A word of the code; nothing for an empty one."""
    return f"`{text}`" if text else ""


def sentence(text: str) -> str:
    """A docstring as one line."""
    return " ".join(text.split())


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(sentence(cell).replace("|", "\\|") for cell in cells) + " |"
