"""Just enough of PromQL to find the names in an expression; whether it is valid is promtool's to say."""

import re
from typing import Final

STRING: Final = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'")
GROUPING: Final = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)")
MATCHERS: Final = re.compile(r"\{([^{}]*)\}")
RANGE: Final = re.compile(r"\[[^\[\]]*\]")
NAME: Final = re.compile(r"(?<![\w:.$])([a-zA-Z_:][\w:]*)(?!\s*\()(?![\w:])")
WORDS: Final = {
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "and",
    "or",
    "unless",
    "bool",
    "offset",
    "Inf",
    "NaN",
}


def metrics_in(expression: str) -> set[str]:
    """The names of all metrics and recorded rules."""
    bare = STRING.sub("", expression)
    for clause in (GROUPING, MATCHERS, RANGE):
        bare = clause.sub(" ", bare)
    return set(NAME.findall(bare)) - WORDS


def labels_in(expression: str) -> set[str]:
    """The names of all labels by which is grouped or matched."""
    bare = STRING.sub("", expression)
    grouped = {name.strip() for clause in GROUPING.findall(bare) for name in clause.split(",")}
    matched = {
        re.split(r"[=!]", part)[0].strip() for clause in MATCHERS.findall(bare) for part in clause.split(",")
    }
    return (grouped | matched) - {""}
