from hypothesis import given
from hypothesis import strategies as st

from carrier_gateway.core.circuit import FAILURES_MAX, REST_MS_MAX, Circuit


def failed(times, now_ms=0):
    circuit = Circuit()
    for _ in range(times):
        circuit = circuit.after(now_ms, well=False)
    return circuit


def test_a_few_failures_change_nothing():
    assert failed(FAILURES_MAX - 1).calls_allowed(0, 8) == 8


def test_many_failures_in_a_row_open_the_circuit():
    assert failed(FAILURES_MAX).calls_allowed(0, 8) == 0


def test_after_the_rest_one_call_decides():
    rested = failed(FAILURES_MAX)
    assert rested.calls_allowed(1_000, 8) == 1
    assert rested.after(1_000, well=True).calls_allowed(1_000, 8) == 8
    assert rested.after(1_000, well=False).calls_allowed(2_999, 8) == 0


def test_one_success_forgets_all_failures():
    assert failed(FAILURES_MAX - 1).after(0, well=True) == Circuit()


@given(st.integers(0, 1_000), st.integers(0, 10**12))
def test_the_rest_is_bounded(times, now_ms):
    assert failed(times, now_ms).rest_until_ms <= now_ms + REST_MS_MAX
