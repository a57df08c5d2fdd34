"""Reading hostile JSON: every step down either finds the kind of value that is wanted, or nothing."""

from typing import Any, Final

WORD_CHARS_MAX: Final = 200


def section(value: Any, *path: str) -> dict[str, Any]:
    """The object at the end of the path; an empty one when a step is missing or is something else."""
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def items(value: Any, count_max: int) -> list[dict[str, Any]]:
    """The objects of a list, at most so many; a single object counts as a list of one."""
    members = value if isinstance(value, list) else [value]
    return [member for member in members if isinstance(member, dict)][:count_max]


def word(value: Any) -> str:
    """A text or a whole number as text, trimmed and cut; empty for anything else.

    A text with a NUL in it is nothing: no database keeps it.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = str(value)[:WORD_CHARS_MAX].strip()
    return "" if "\0" in text else text


def words(owner: dict[str, Any], *names: str) -> str:
    """Several texts of an object in one line."""
    return " ".join(filter(None, (word(owner.get(name)) for name in names)))
