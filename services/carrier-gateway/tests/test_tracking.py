"""Which facts are given, as a table and as properties; no fixture, no mock."""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from carrier_gateway.core.tracking import (
    _RANK,
    FACTS_PER_STATUS_MAX,
    FUTURE_MS_MAX,
    PROGRESS,
    Evidence,
    Observation,
    Scan,
    covers,
    news,
)
from sps.transactions.values import ParcelStatus

NOW = 1_000_000_000
SHIP_TO, OTHER_SHIP_TO, DOCUMENT = "aa" * 32, "bb" * 32, "cc" * 32
STATUSES = get_args(ParcelStatus)

scans = st.builds(Scan, st.sampled_from(STATUSES), st.integers(0, NOW))
observations = st.builds(
    Observation,
    st.just("7777777770"),
    st.lists(scans, max_size=8).map(tuple),
    st.none(),
    st.sampled_from([None, DOCUMENT]),
)
origins = st.sampled_from(["pushed", "pulled", "signed"])
messages = st.lists(st.tuples(observations, origins, st.sampled_from([None, SHIP_TO])), max_size=6)


def seen(*pairs, document=None):
    return Observation("7777777770", tuple(Scan(status, at) for status, at in pairs), None, document)


def facts(observation, origin="signed", given=(), ship_to=None):
    return [(fact.status, fact.occurred_ms) for fact in news(observation, origin, ship_to, given, NOW)]


def test_every_status_has_a_rank():
    assert set(_RANK) == set(STATUSES)


def test_facts_leave_in_the_order_of_the_carriers_time():
    observation = seen(("delivered", 30), ("label_created", 10), ("in_transit", 20))
    assert facts(observation) == [("label_created", 10), ("in_transit", 20), ("delivered", 30)]


def test_of_one_status_only_the_newest_is_given():
    assert facts(seen(("in_transit", 10), ("in_transit", 30), ("in_transit", 20))) == [("in_transit", 30)]


def test_a_repeat_gives_nothing():
    given = news(seen(("in_transit", 10)), "signed", None, (), NOW)
    assert facts(seen(("in_transit", 10)), given=given) == []


def test_an_older_scan_of_a_known_status_gives_nothing():
    assert facts(seen(("in_transit", 10)), given=[Evidence("in_transit", 20, "signed")]) == []


def test_a_later_in_transit_after_a_delivery_gives_nothing():
    assert facts(seen(("in_transit", 99)), given=[Evidence("delivered", 50, "signed")]) == []


def test_after_a_mere_hint_of_a_delivery_progress_is_still_told():
    assert facts(seen(("in_transit", 99)), given=[Evidence("delivered", 50, "pushed")]) == [
        ("in_transit", 99)
    ]


def test_what_contradicts_a_delivery_goes_on_to_the_contract():
    contradictions = ["exception", "returning", "returned", "lost", "damaged"]
    for status in contradictions:
        assert facts(seen((status, 99)), given=[Evidence("delivered", 50, "signed")]) == [(status, 99)]
    assert PROGRESS | {"delivered", *contradictions} == set(STATUSES)


def test_a_pull_is_told_after_a_push_and_a_push_is_not_told_after_a_pull():
    assert facts(seen(("delivered", 50)), "pulled", [Evidence("delivered", 50, "pushed")]) == [
        ("delivered", 50)
    ]
    assert facts(seen(("delivered", 50)), "pushed", [Evidence("delivered", 50, "pulled")]) == []


def test_a_document_that_comes_later_is_told_once():
    first = news(seen(("delivered", 50)), "pulled", SHIP_TO, (), NOW)
    second = news(seen(("delivered", 50), document=DOCUMENT), "pulled", SHIP_TO, first, NOW)
    assert [fact.document for fact in second] == [DOCUMENT]
    assert news(seen(("delivered", 50), document="dd" * 32), "pulled", SHIP_TO, second, NOW) == ()


def test_another_destination_is_told():
    first = news(seen(("delivered", 50)), "pulled", SHIP_TO, (), NOW)
    assert [fact.ship_to for fact in news(seen(("delivered", 50)), "pulled", OTHER_SHIP_TO, first, NOW)] == [
        OTHER_SHIP_TO
    ]


def test_only_a_delivery_carries_destination_and_document():
    given = news(seen(("in_transit", 10), ("delivered", 20), document=DOCUMENT), "signed", SHIP_TO, (), NOW)
    assert [(fact.ship_to, fact.document) for fact in given] == [(None, None), (SHIP_TO, DOCUMENT)]


def test_a_time_ahead_is_held_back_until_it_has_come():
    ahead = NOW + FUTURE_MS_MAX + 1
    assert facts(seen(("delivered", ahead))) == []
    assert facts(seen(("delivered", ahead - 1))) == [("delivered", ahead - 1)]


def test_a_time_ahead_does_not_hide_the_scan_before_it():
    assert facts(seen(("in_transit", 10), ("in_transit", NOW * 2))) == [("in_transit", 10)]


def test_a_delivery_after_the_way_back_began_is_a_return():
    assert facts(seen(("returning", 10), ("delivered", 20))) == [("returning", 10), ("returned", 20)]
    assert facts(seen(("delivered", 20)), given=[Evidence("returning", 10, "pulled")]) == [("returned", 20)]


def test_a_return_that_is_told_twice_in_one_message_is_given_once():
    assert facts(seen(("returning", 10), ("delivered", 20), ("returned", 20))) == [
        ("returning", 10),
        ("returned", 20),
    ]


def test_a_delivery_before_the_way_back_stays_a_delivery():
    assert facts(seen(("delivered", 10), ("returning", 20))) == [("delivered", 10), ("returning", 20)]


def test_a_mere_hint_of_a_way_back_turns_no_delivery_into_a_return():
    assert facts(seen(("delivered", 20)), given=[Evidence("returning", 10, "pushed")]) == [("delivered", 20)]


def test_a_babbling_carrier_stops_at_the_bound():
    given: list[Evidence] = []
    for at in range(FACTS_PER_STATUS_MAX + 10):
        given += news(seen(("in_transit", at)), "pulled", None, given, NOW)
    assert len(given) == FACTS_PER_STATUS_MAX


def test_babble_without_a_signature_does_not_close_the_way_for_the_truth():
    given = [Evidence("delivered", at, "pushed") for at in range(FACTS_PER_STATUS_MAX)]
    assert facts(seen(("delivered", 99)), "signed", given) == [("delivered", 99)]


@given(messages)
def test_what_was_said_in_full_can_be_said_for_ever(said):
    """Twice in full: the second time a delivery may turn out to be a return."""
    given = _all([*said, *said])
    assert all(news(observation, origin, ship_to, given, NOW) == () for observation, origin, ship_to in said)


@given(messages)
def test_no_fact_is_given_that_another_given_before_it_covers(said):
    given = _all(said)
    assert not any(covers(old, new) for i, new in enumerate(given) for old in given[:i])


@given(messages)
def test_a_delivery_that_was_said_is_given_whatever_else_was_said(said):
    given = _all(said)
    for observation, origin, _ in said:
        if any(scan.status == "delivered" for scan in observation.scans):
            strength = {"pushed"} if origin == "pushed" else set()
            arrived = [fact for fact in given if fact.status in {"delivered", "returned"}]
            assert any(fact.origin in {"pulled", "signed", *strength} for fact in arrived)


@given(messages)
def test_one_message_gives_one_fact_of_a_status(said):
    for observation, origin, ship_to in said:
        given = [fact.status for fact in news(observation, origin, ship_to, (), NOW)]
        assert len(given) == len(set(given))


@given(observations, origins, st.randoms())
def test_the_order_inside_a_message_means_nothing(observation, origin, chance):
    shuffled = list(observation.scans)
    chance.shuffle(shuffled)
    other = Observation(observation.number, tuple(shuffled), None, observation.document)
    assert news(observation, origin, SHIP_TO, (), NOW) == news(other, origin, SHIP_TO, (), NOW)


def _all(said):
    given: list[Evidence] = []
    for observation, origin, ship_to in said:
        given += news(observation, origin, ship_to, given, NOW)
    return given
