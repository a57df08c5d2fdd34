from datetime import UTC, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrier_gateway.core.moments import unix_ms, zone_of

BERLIN = timezone(timedelta(hours=1))


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("2026-03-02T13:05:00Z", 1_772_456_700_000),
        ("2026-03-02T14:05:00+01:00", 1_772_456_700_000),
        ("2026-03-02T13:05:00", 1_772_456_700_000),
        ("2026-03-02T13:05:00.123456Z", 1_772_456_700_123),
        ("2026-03-02", 1_772_409_600_000),
    ],
)
def test_a_time_becomes_whole_milliseconds(text, milliseconds):
    assert unix_ms(text) == milliseconds


def test_a_time_without_a_zone_is_read_in_the_zone_of_its_message():
    assert unix_ms("2026-03-02T14:05:00", BERLIN) == unix_ms("2026-03-02T14:05:00+01:00")


@pytest.mark.parametrize(
    "text",
    [
        None,
        5,
        "",
        "yesterday",
        "1999-12-31T00:00:00Z",
        "2300-01-01",
        "2" * 100,
        [],
        "0001-01-01T00:00:00+23:00",
    ],
)
def test_what_is_no_time_of_a_parcel_is_nothing(text):
    assert unix_ms(text) is None


def test_a_message_without_a_zone_is_in_utc():
    assert zone_of("2026-03-02T14:05:00") == UTC
    assert zone_of(None) == UTC
    assert zone_of("2026-03-02T14:05:00+01:00").utcoffset(None) == timedelta(hours=1)


@given(st.text(max_size=50))
def test_no_text_breaks_the_reader(text):
    assert unix_ms(text) is None or isinstance(unix_ms(text), int)
