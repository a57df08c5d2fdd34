"""The tables are complete: every fact has a decision, every clock an answer, every code a meaning."""

import re
from pathlib import Path
from typing import get_args

import pytest
from chain_world import Deal, World, terms

import sps.escrow
from sps.chain import execution
from sps.escrow import clocks, evidence, terms_check
from sps.escrow.decide import CLOCKS, DECISIONS
from sps.escrow.refusals import REFUSALS, TERMS_REFUSALS, Refused
from sps.transactions.values import ParcelStatus
from sps.transactions.vocabulary import ROLE_OF, Transaction

SOURCES = [*Path(sps.escrow.__file__).parent.glob("*.py"), Path(execution.__file__)]


def test_every_fact_of_the_vocabulary_has_a_decision():
    assert set(DECISIONS) == set(ROLE_OF) == set(get_args(Transaction))


def test_every_clock_has_an_answer():
    kinds = {value for name, value in vars(clocks).items() if name.isupper() and isinstance(value, str)}
    assert set(CLOCKS) | {clocks.QUOTE} == kinds


def test_every_status_of_a_parcel_has_a_meaning():
    assert set(evidence.MEANINGS) == set(get_args(ParcelStatus))


def test_every_code_that_is_raised_has_a_meaning_and_every_meaning_is_used():
    text = "".join(path.read_text() for path in SOURCES if path.name != "refusals.py")
    quoted = set(re.findall(r'"([A-Z][A-Z_]{4,})"', text))
    own = {"DUPLICATE", "CONFLICT", "BAD_IDENTIFIER"}
    headers = {"OFFERED", "AGREED", "PART_FUNDED", "FUNDING_REVIEW", "FUNDED", "FULFILLING"}
    headers |= {"INSPECTION", "SETTLING", "CLOSED"}
    assert quoted - headers <= set(REFUSALS)
    assert set(REFUSALS) - own <= quoted


def test_the_refusals_of_terms_are_those_that_the_check_of_terms_raises():
    text = Path(terms_check.__file__).read_text()
    assert set(re.findall(r'"([A-Z][A-Z_]{4,})"', text)) == TERMS_REFUSALS <= set(REFUSALS)


def test_a_refusal_says_what_to_do():
    for code, meaning in REFUSALS.items():
        assert meaning.endswith("."), code
        assert len(meaning) > 40, code
    with pytest.raises(Refused, match=r"SUM_DIFFERS: the price is 5\. The tranches"):
        raise Refused("SUM_DIFFERS", "the price is 5")


def test_a_refusal_of_terms_stands_in_the_receipt_with_its_numbers():
    world = World()
    (receipt,) = world.block(Deal(agreed=terms(6, tranches=terms(5).tranches)).offer())
    assert (receipt.code, receipt.journals, receipt.state) == ("SUM_DIFFERS", (), "")
    assert "sum to 5, the price is 6" in receipt.message
