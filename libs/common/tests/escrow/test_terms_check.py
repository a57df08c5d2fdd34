"""Terms without an exit, with inexact sums or with unbounded clocks are refused before any money moves."""

import pytest
from chain_world import START_MS, many_tranches, terms

from sps.escrow.clocks import RANGES
from sps.escrow.refusals import Refused
from sps.escrow.terms_check import check_terms, parcel_names
from sps.transactions.terms import DAY_MS, Clocks, Fees, Tranche


def refusal(agreed, now_ms: int = START_MS) -> str:
    try:
        check_terms(agreed, now_ms)
    except Refused as refused:
        return refused.code
    return ""


def test_good_terms_pass():
    assert refusal(terms()) == ""
    assert refusal(terms(fees=Fees(fee_bp=150, tax_bp=1900, tax_country="DE"))) == ""
    assert refusal(terms(release="on_delivery_plus_inspection", min_level=1)) == ""


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"tranches": many_tranches([60_000, 39_999], [["p1"], ["p2"]])}, "SUM_DIFFERS"),
        ({"currency": "ABC"}, "UNKNOWN_CURRENCY"),
        ({"currency": "DEM"}, "UNKNOWN_CURRENCY"),
        ({"tranches": (Tranche("t1", "50000", ("p1",)),) * 2}, "DUPLICATE_ID"),
        ({"tranches": (Tranche("t1", "100000", ("p1", "p1")),)}, "DUPLICATE_ID"),
        ({"carriers": ("dhl", "dhl")}, "DUPLICATE_ID"),
        ({"min_level": 2}, "LEVEL_TOO_LOW"),
        ({"tolerance": "100000"}, "TOLERANCE_TOO_LARGE"),
        ({"fees": Fees(fee_bp=10_000)}, "FEES_EXCEED_PRICE"),
        ({"fees": Fees(fee_bp=9_000, tax_bp=2_000, tax_country="DE")}, "FEES_EXCEED_PRICE"),
        ({"fees": Fees(freight="100000")}, "FEES_EXCEED_PRICE"),
        ({"fees": Fees(reserve_bp=10_000, reserve_ms=DAY_MS)}, "FEES_EXCEED_PRICE"),
        ({"fees": Fees(cancel="100001")}, "CANCEL_FEE_TOO_LARGE"),
        ({"fees": Fees(fee_bp=100, tax_bp=1900)}, "TAX_COUNTRY_MISSING"),
        ({"fees": Fees(reserve_bp=100)}, "RESERVE_CONTRADICTS"),
        ({"fees": Fees(reserve_bp=100, reserve_ms=600 * DAY_MS)}, "RESERVE_CONTRADICTS"),
        ({"clocks": Clocks(inspection=30 * DAY_MS, max_hold=29 * DAY_MS)}, "CLOCKS_CONTRADICT"),
        ({"clocks": Clocks(ship_by=80 * DAY_MS, inspection=11 * DAY_MS)}, "CLOCKS_CONTRADICT"),
    ],
)
def test_bad_terms_are_refused_with_a_code(fields, code):
    assert refusal(terms(**fields)) == code


def test_a_price_beyond_the_bound_is_refused():
    assert refusal(terms(10**15)) == ""
    assert refusal(terms(10**15 + 1)) == "AMOUNT_OUT_OF_BOUNDS"


def test_a_currency_that_is_withdrawn_by_the_day_of_the_block_is_refused():
    assert refusal(terms(currency="BGN"), 1_767_000_000_000) == ""
    assert refusal(terms(currency="BGN"), START_MS) == "UNKNOWN_CURRENCY"


@pytest.mark.parametrize("name", sorted(RANGES))
def test_every_clock_has_a_range_and_zero_is_outside(name):
    shortest, longest = RANGES[name]
    assert shortest > 0
    for duration in (0, shortest - 1, longest + 1):
        assert refusal(terms(clocks=Clocks(**{name: duration}))) == "CLOCK_OUT_OF_RANGE"


def test_the_ranges_cover_every_clock_and_its_default():
    assert set(RANGES) == set(Clocks.__struct_fields__)
    for name, (shortest, longest) in RANGES.items():
        assert shortest <= getattr(Clocks(), name) <= longest


def test_a_contract_has_a_bounded_number_of_parcels():
    lists = [[f"a{i}" for i in range(30)], [f"b{i}" for i in range(30)]]
    agreed = terms(tranches=many_tranches([1, 99_999], lists))
    assert refusal(agreed) == "TOO_MANY_PARCELS"
    assert len(parcel_names(agreed)) == 60
