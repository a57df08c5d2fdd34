"""Quorums intersect in an honest validator, and leaders follow from the seed alone."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sps.chain.committee import (
    Committee,
    Validator,
    committee_hash,
    first_seed,
    leader,
    leader_order,
    quorum_reached,
    quorum_size,
)

TABLE = {1: 1, 2: 2, 3: 3, 4: 3, 5: 4, 6: 5, 7: 5, 10: 7, 31: 21, 100: 67}
"""`docs/protocol.md`, parameters: quorum by number of validators of equal weight."""


def committee(weights, epoch=1):
    return Committee(
        epoch, tuple(Validator(i, f"v{i}", bytes([i]) * 32, weight) for i, weight in enumerate(weights))
    )


@pytest.mark.parametrize(("n", "quorum"), TABLE.items())
def test_the_quorums_of_the_table(n, quorum):
    assert quorum_size(n) == quorum


@pytest.mark.parametrize("n", range(1, 201))
def test_two_quorums_share_an_honest_validator_and_the_honest_alone_are_a_quorum(n):
    faulty = (n - 1) // 3
    quorum = quorum_size(n)
    assert 2 * quorum - n > faulty
    assert quorum <= n - faulty


@pytest.mark.parametrize("n", range(1, 201))
def test_with_equal_weights_the_quorum_is_reached_exactly_at_its_size(n):
    seats = committee([7] * n)
    assert quorum_reached(seats, 7 * quorum_size(n))
    assert not quorum_reached(seats, 7 * (quorum_size(n) - 1))


@given(st.lists(st.integers(1, 2**32 - 1), min_size=1, max_size=40), st.data())
@settings(deadline=None)
def test_two_weighted_quorums_overlap_in_more_than_a_third(weights, data):
    seats = committee(weights)
    total = seats.total_weight
    everyone = st.sets(st.integers(0, len(weights) - 1))
    one, two = data.draw(everyone), data.draw(everyone)
    if all(quorum_reached(seats, sum(weights[i] for i in side)) for side in (one, two)):
        assert 3 * sum(weights[i] for i in one & two) > total


def test_exactly_two_thirds_are_not_enough():
    assert not quorum_reached(committee([1, 1, 1]), 2)
    assert not quorum_reached(committee([]), 0)


@given(st.binary(min_size=32, max_size=32), st.integers(1, 200))
@settings(deadline=None)
def test_the_order_of_leaders_names_each_once(seed, n):
    order = leader_order(seed, n)
    assert sorted(order) == list(range(n))
    assert {leader(order, view) for view in range(n)} == set(range(n))
    assert leader(order, n + 1) == leader(order, 1)


def stupid_order(seed, n):
    """The rule again, from one long string of random 64-bit numbers."""
    blocks = [hashlib.sha256(b"SPS1-leader" + seed + i.to_bytes(8, "big")).hexdigest() for i in range(n)]
    numbers = iter(int(block[16 * i : 16 * i + 16], 16) for block in blocks for i in range(4))
    order = list(range(n))
    for size in range(n, 1, -1):
        number = next(x for x in numbers if x < 2**64 - 2**64 % size)
        order[size - 1], order[number % size] = order[number % size], order[size - 1]
    return tuple(order)


@pytest.mark.parametrize("n", [1, 2, 4, 7, 31, 200])
def test_the_order_of_leaders_is_the_one_of_the_stupid_twin(n):
    assert leader_order(bytes(32), n) == stupid_order(bytes(32), n)
    assert leader_order(first_seed(bytes(32)), n) == stupid_order(
        hashlib.sha256(b"seed" + bytes(32)).digest(), n
    )


def test_the_order_of_leaders_is_a_published_vector():
    assert leader_order(bytes(32), 7) == (3, 6, 1, 5, 4, 0, 2)
    assert leader_order(first_seed(bytes(32)), 4) == (0, 3, 1, 2)


def test_no_place_is_favoured():
    counts = [[0] * 4 for _ in range(4)]
    for number in range(2_000):
        for place, index in enumerate(leader_order(number.to_bytes(32, "big"), 4)):
            counts[place][index] += 1
    assert all(400 < count < 600 for row in counts for count in row)


def test_the_committee_hash_covers_every_field():
    plain = committee([1, 2])
    others = [
        committee([1, 2], epoch=2),
        committee([2, 1]),
        committee([1]),
        Committee(1, plain.validators[::-1]),
        Committee(1, (plain.validators[0], Validator(1, "w1", bytes([1]) * 32, 2))),
        Committee(1, (plain.validators[0], Validator(1, "v1", bytes([2]) * 32, 2))),
    ]
    assert len({committee_hash(other) for other in (plain, *others)}) == 1 + len(others)
