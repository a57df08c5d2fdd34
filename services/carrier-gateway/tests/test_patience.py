from hypothesis import given
from hypothesis import strategies as st

from carrier_gateway.core.patience import (
    ATTEMPTS_MAX,
    HOUR_MS,
    MINUTE_MS,
    POLL_WORST_MS,
    RETRY_WORST_MS,
    SILENCE_MS,
    poll_after_ms,
    retry_after_ms,
)


def test_retries_double_up_to_an_hour_and_then_end():
    pauses = [retry_after_ms(attempt) for attempt in range(1, ATTEMPTS_MAX + 1)]
    assert pauses[:4] == [1_000, 2_000, 4_000, 8_000]
    assert pauses[-2:] == [HOUR_MS, None]


def test_a_carrier_may_ask_for_a_longer_pause_but_not_for_ever():
    assert retry_after_ms(1, 30_000) == 30_000
    assert retry_after_ms(1, 10**12) == RETRY_WORST_MS


def test_a_silent_parcel_is_asked_for_less_and_less_often():
    assert [poll_after_ms(silent) for silent in range(3)] == [SILENCE_MS, 2 * SILENCE_MS, 4 * SILENCE_MS]


def test_expected_news_is_asked_for_after_a_minute():
    assert poll_after_ms(0, soon=True) == MINUTE_MS


@given(st.integers(0, 10**6), st.booleans())
def test_there_is_always_a_next_question_and_never_a_storm(silent, soon):
    assert MINUTE_MS <= poll_after_ms(silent, soon=soon) <= POLL_WORST_MS
