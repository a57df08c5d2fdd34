"""The table of currencies against the facts of ISO 4217 as published on 2026-01-01."""

import re
from collections import Counter

import pytest

from sps.currencies import _BY_EXPONENT, _TABLE, _VALID_FROM, _VALID_TO, EXPONENT_MAX, currency_of, is_current

DAY_OF_LIST = "2026-01-01"


def test_the_list_of_2026_has_its_known_counts():
    current = [c for c in _TABLE.values() if is_current(c.code, DAY_OF_LIST)]
    assert Counter(c.exponent for c in current) == {2: 139, 0: 17, 3: 7, 4: 2}


@pytest.mark.parametrize(
    ("exponent", "codes"),
    [
        (0, "JPY KRW CLP VND XOF ISK UGX"),
        (3, "BHD IQD JOD KWD LYD OMR TND"),
        (4, "CLF UYW"),
        (2, "CNY EUR USD"),
    ],
)
def test_exponents_are_those_of_the_list(exponent, codes):
    assert {currency_of(code).exponent for code in codes.split()} == {exponent}


@pytest.mark.parametrize(
    "code", ["XAU", "XAG", "XDR", "XTS", "XXX", "XUA", "XSU", "XBA", "usd", "US", "USDX", "", "BTC"]
)
def test_what_has_no_minor_unit_or_is_unknown_is_no_money(code):
    assert currency_of(code) is None
    assert not is_current(code, DAY_OF_LIST)


@pytest.mark.parametrize("code", ["BGN", "HRK", "ANG", "CUC", "SLL", "ZWL", "DEM", "TRL"])
def test_a_withdrawn_currency_is_known_and_not_current(code):
    known = currency_of(code)
    assert known is not None
    assert known.valid_to is not None
    assert is_current(code, known.valid_to)
    assert not is_current(code, DAY_OF_LIST)


@pytest.mark.parametrize("code", ["XCG", "ZWG", "SLE", "EUR"])
def test_a_new_currency_is_current_from_its_first_day(code):
    first = currency_of(code).valid_from
    assert first is not None
    assert is_current(code, first)
    assert not is_current(code, "1998-12-31")


def test_bulgaria_changes_over_at_new_year():
    assert is_current("BGN", "2025-12-31")
    assert not is_current("BGN", "2026-01-01")


def test_the_table_is_well_formed_and_names_each_code_once():
    items = [item for table in _BY_EXPONENT.values() for item in table.split()]
    assert all(re.fullmatch(r"[A-Z]{3}[0-9]{3}", item) for item in items)
    assert len({item[:3] for item in items}) == len(items) == len(_TABLE)
    assert max(_BY_EXPONENT) == EXPONENT_MAX


@pytest.mark.parametrize("table", [_VALID_FROM, _VALID_TO])
def test_dates_are_days_of_known_codes_named_once(table):
    items = table.split()
    assert all(re.fullmatch(r"[A-Z]{3}[0-9]{4}-[01][0-9]-[0-3][0-9]", item) for item in items)
    codes = [item[:3] for item in items]
    assert len(set(codes)) == len(codes)
    assert set(codes) <= _TABLE.keys()


def test_no_currency_ends_before_it_begins():
    assert all((c.valid_from or "") <= (c.valid_to or "9999") for c in _TABLE.values())


def test_no_two_current_currencies_share_a_number():
    numbers = [c.numeric for c in _TABLE.values() if is_current(c.code, DAY_OF_LIST)]
    assert len(set(numbers)) == len(numbers)


def test_a_date_in_another_form_is_refused():
    with pytest.raises(ValueError, match="2026-01-31"):
        is_current("EUR", "1.1.2026")
