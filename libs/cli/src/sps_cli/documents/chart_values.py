"""The table of values in the chart's README, from the comments `# --` in values.yaml.

Each key of values.yaml stands on a line of its own under a line `# -- What it means.`, and its value on the
same line unless it is a block of such keys. So no YAML has to be parsed, and a key without a comment is
found.
"""

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from sps_cli.documents.markdown import code, table

BEGIN: Final = "<!-- values: built from values.yaml by `sps docs build`, do not edit by hand -->"
END: Final = "<!-- end of the values -->"
INDENT: Final = 2
_COMMENT: Final = re.compile(r"\s*# -- (.+)")
_KEY: Final = re.compile(r"( *)([\w.-]+):(?: (.+))?")


class BadValues(ValueError):
    """A line of values.yaml is neither a comment nor a key with its meaning above it."""


class Value(Struct, frozen=True):
    """One key with its place, its default (nothing for a block) and its meaning."""

    path: str
    default: str
    meaning: str


def with_table(readme: str, values: str) -> str:
    """The README with its table as values.yaml says. Raises `ValueError` when it has no place for one."""
    head, _, rest = readme.partition(BEGIN)
    _, found, tail = rest.partition(END)
    if not found:
        raise ValueError(f"the README has no lines {BEGIN} … {END}")
    rows = [(code(value.path), code(value.default), value.meaning) for value in values_of(values)]
    return f"{head}{BEGIN}\n\n{table(('value', 'default', 'meaning'), rows)}\n\n{END}{tail}"


def values_of(text: str) -> Iterator[Value]:
    """All keys of values.yaml in their order. Raises `BadValues`."""
    place: list[str] = []
    meaning = ""
    for number, line in enumerate(text.splitlines(), 1):
        if comment := _COMMENT.fullmatch(line):
            meaning = comment[1]
        elif key := _KEY.fullmatch(line):
            place = [*place[: len(key[1]) // INDENT], key[2]]
            if not meaning:
                raise BadValues(f"line {number}: {'.'.join(place)} has no meaning above it")
            yield Value(".".join(place), key[3] or "", meaning)
            meaning = ""
        elif line.strip() and not line.startswith("# "):
            raise BadValues(f"line {number}: neither a comment nor a key")
