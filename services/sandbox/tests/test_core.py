from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest

from sandbox.core.alipay_words import china, china_ms
from sandbox.core.amounts import fee_of, fen, shown, yuan
from sandbox.core.books import BooksDoNotSum, books
from sandbox.core.ecb_document import RATES, ecb_document, rate_day
from sandbox.core.parcels import HANDOVERS, STATUSES, dhl_shipment, normal_number, stamp
from sandbox.core.patience import PAUSES_MS, next_due_ms
from sandbox.core.records import Account, Entry, Parcel, Scan
from sandbox.core.stripe_words import StripeError, nested, to_minor, to_units


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(("text", "amount"), [("1280.00", 128_000), ("0.1", 10), ("7", 700)])
def test_an_amount_in_yuan_is_read_exactly(text, amount):
    assert fen(text) == amount
    assert fen(yuan(amount)) == amount


@pytest.mark.parametrize("text", ["", "0", "0.00", "-1", "1.234", "1e3", "\uff11", "1,000", "NaN"])
def test_what_is_no_amount_in_yuan_is_refused(text):
    with pytest.raises(ValueError, match="yuan"):
        fen(text)


def test_amounts_are_shown_with_the_decimals_of_their_currency():
    assert shown(128_000, "CNY") == "¥ 1,280.00"
    assert shown(1_280, "JPY") == "¥ 1,280"
    assert shown(-5, "ISK") == "-5 ISK"


def test_a_fee_is_rounded_up():
    assert [fee_of(minor, 290) for minor in (0, 1, 100, 10_000)] == [0, 1, 3, 290]


def test_the_books_know_when_a_balance_is_not_the_sum_of_its_lines():
    lines = [
        Entry("alipay", "CNY", "opening", 100, "float", 0),
        Entry("alipay", "CNY", "paid_out", 30, "x", 0),
    ]
    assert books(lines, [Account("alipay", "CNY", 70)])["alipay"]["CNY"]["balance"] == 70
    with pytest.raises(BooksDoNotSum):
        books(lines, [Account("alipay", "CNY", 71)])


def test_times_of_china_go_there_and_back():
    assert china(ms("2026-01-01T04:00:00")) == "2026-01-01 12:00:00"
    assert china_ms("2026-01-01 12:00:00") == ms("2026-01-01T04:00:00")


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2026-11-20T15:00:00", "2026-11-20"),
        ("2026-11-20T14:59:00", "2026-11-19"),
        ("2026-11-22T18:00:00", "2026-11-20"),
        ("2026-11-23T09:00:00", "2026-11-20"),
    ],
)
def test_the_rates_are_those_of_the_last_weekday_that_is_published(now, day):
    assert rate_day(ms(now)) == day


def test_the_rates_have_the_form_of_the_real_document():
    root = ET.fromstring(ecb_document(ms("2026-11-20T16:00:00")))  # noqa: S314 our own text
    space = "{http://www.ecb.int/vocabulary/2002-08-01/eurofxref}"
    (day,) = root.findall(f"{space}Cube/{space}Cube")
    assert day.get("time") == "2026-11-20"
    assert {cube.get("currency"): cube.get("rate") for cube in day} == RATES


def test_a_form_of_stripe_is_read_into_its_groups():
    assert nested(
        [("metadata[order]", "o"), ("line_items[0][price_data][currency]", "eur"), ("expand[]", "x")]
    ) == {
        "metadata": {"order": "o"},
        "line_items": {"0": {"price_data": {"currency": "eur"}}},
        "expand": "x",
    }
    with pytest.raises(StripeError):
        nested([("a", "1"), ("a[b]", "2")])


def test_stripe_counts_some_currencies_in_hundredths_that_they_do_not_have():
    assert (to_units(5, "ISK"), to_minor(500, "ISK"), to_minor(500, "EUR")) == (500, 5, 500)
    with pytest.raises(StripeError):
        to_minor(501, "ISK")


def test_a_message_is_tried_again_soon_and_then_seldom_and_then_no_more():
    assert next_due_ms(0, 1) == 200
    assert list(PAUSES_MS) == sorted(PAUSES_MS)
    assert next_due_ms(0, len(PAUSES_MS) + 1) is None
    assert sum(PAUSES_MS) < 26 * 3_600_000


def test_only_what_is_delivered_or_returned_has_the_delivered_code_of_dhl():
    assert {name for name, telling in STATUSES.items() if telling.dhl_code == "delivered"} == {
        "delivered",
        "returned",
    }
    assert {telling.dhl_code for telling in STATUSES.values()} == {
        "pre-transit",
        "transit",
        "delivered",
        "failure",
    }


@pytest.mark.parametrize("handover", sorted(HANDOVERS))
def test_a_delivery_says_who_took_the_parcel(handover):
    parcel = Parcel("dhl", "7777777770", "DE", "10115", 0)
    shipment = dhl_shipment(
        parcel, [Scan("dhl", "7777777770", "delivered", 5, "", "10117", handover)], "http://x"
    )
    assert shipment["status"]["description"] == HANDOVERS[handover]
    assert shipment["destination"]["address"]["postalCode"] == "10117"
    assert "documentUrl" not in shipment["details"]["proofOfDelivery"]


def test_a_number_has_one_spelling_and_a_time_keeps_its_milliseconds():
    assert normal_number("jd 01-46") == "JD0146"
    assert stamp(1_772_456_700_123) == "2026-03-02T13:05:00.123Z"
    with pytest.raises(ValueError, match="tracking number"):
        normal_number("x/../y")
