"""Nothing on a page stays untranslated, and nothing is translated that nobody says."""

import ast
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import get_args

import jinja2.nodes
import pytest

from contract_api.core.narration import Speaker, sentences, summary
from contract_api.entrypoints.forms import LABELS
from contract_api.entrypoints.pages import GROUPS
from contract_api.entrypoints.rendering import HERE, SLOW, environment
from contract_api.entrypoints.showing import ACCOUNTS
from contract_api.entrypoints.texts import ZH, language_of, told, translate
from contract_api.entrypoints.texts_words import EN, ZH_WORDS
from sps.chain.receipt import Receipt
from sps.escrow import clocks
from sps.escrow.header import HeaderState, Outcome
from sps.escrow.state import ParcelState, PayoutState, QuoteState

OUTCOMES = [each for each in get_args(Outcome) if each]
WORDS = {
    "state": get_args(HeaderState),
    "outcome": OUTCOMES,
    "seller": OUTCOMES,
    "buyer": OUTCOMES,
    "by": get_args(Speaker),
    "payout": get_args(PayoutState),
    "parcel": get_args(ParcelState),
    "quote": get_args(QuoteState),
    "deadline": [
        value
        for name, value in vars(clocks).items()
        if name.isupper() and isinstance(value, str) and value != clocks.QUOTE
    ],
}
TITLES_OF_STATUS = {"Not Found", "Method Not Allowed"}
DURATIONS = {"day", "days", "hours"}


def in_templates() -> Iterator[str]:
    """The constant arguments of `_(…)`, branches of a condition included, and names looped over."""
    made = environment()
    for path in sorted((HERE / "templates").iterdir()):
        tree = made.parse(path.read_text())
        for call in tree.find_all(jinja2.nodes.Call):
            if isinstance(call.node, jinja2.nodes.Name) and call.node.name == "_":
                argument = call.args[0]
                if isinstance(argument, jinja2.nodes.Const):
                    yield argument.value
        for loop in tree.find_all(jinja2.nodes.For):
            if isinstance(loop.iter, jinja2.nodes.Tuple) and loop.target.name == "name":
                yield from (each.value for each in loop.iter.items)


def titles() -> Iterator[str]:
    """The titles of the problems that a page can show."""
    import sps.runtime.problems

    for path in [*sorted((HERE / "entrypoints").glob("*.py")), Path(sps.runtime.problems.__file__)]:
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "id", "") == "Problem"
                and len(node.args) > 2
            ) and isinstance(node.args[2], ast.Constant):
                yield node.args[2].value


def said() -> set[str]:
    """Every sentence that can stand on a page."""
    more = {SLOW, "That did not work", "refused", "a repeat, nothing changed"} | DURATIONS | TITLES_OF_STATUS
    groups = (title for title, _ in GROUPS)
    return set(chain(in_templates(), titles(), sentences(), ACCOUNTS.values(), LABELS.values(), groups, more))


def test_the_search_finds_what_is_said():
    assert {"Accept the terms", "Offer", "Please enter first"} <= said()


def test_every_sentence_has_a_chinese_text():
    assert said() - set(ZH) == set()


def test_no_chinese_text_is_unused():
    assert set(ZH) - set(ZH_WORDS) - said() == set()


@pytest.mark.parametrize("group", WORDS)
def test_every_value_has_words_in_both_languages_and_no_other_has(group):
    expected = {f"{group}.{value}" for value in WORDS[group]}
    for known in (EN, ZH_WORDS):
        assert {key for key in known if key.startswith(f"{group}.")} == expected


def test_there_are_no_words_of_other_groups():
    assert {key.partition(".")[0] for key in chain(EN, ZH_WORDS)} == set(WORDS)


def test_every_chinese_text_is_chinese_and_says_something_else():
    brands = re.compile(r"[\u4e00-\u9fff]")
    assert {text for text in ZH.values() if not brands.search(text)} == set()


def test_a_refused_step_is_told_in_chinese_as_well():
    refused = summary(Receipt(1, 0, "contract.cancel.v1", "WRONG_STATE", "ctr_1"))
    assert told("zh", refused) == "在交寄前取消\uff1a被拒绝 (WRONG_STATE)"
    assert told("en", refused) == refused
    assert told("zh", "confirmed the payment; the money is held") == "确认收款\uff1b款项已托管"


@pytest.mark.parametrize(
    ("asked", "cookie", "browser", "language"),
    [
        ("zh", "en", "en", "zh"),
        ("", "zh", "en", "zh"),
        ("", "", "zh-CN,zh;q=0.9", "zh"),
        ("", "", "de-DE", "en"),
        ("xx", "yy", "", "en"),
    ],
)
def test_the_language_is_chosen_by_link_then_cookie_then_browser(asked, cookie, browser, language):
    assert language_of(asked, cookie, browser) == language


def test_what_is_not_known_stays_as_it_is():
    assert translate("zh", "no such text") == "no such text"
