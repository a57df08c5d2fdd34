"""Who votes, how much weight is a quorum, who leads which view (`docs/protocol.md`, Proof of Agreement).

Safe with Byzantine validators below one third of the weight: a quorum is strictly more than two thirds.
"""

import hashlib
import struct
from typing import Final

from msgspec import Struct

VALIDATORS_MAX: Final = 200
WEIGHT_MAX: Final = 2**32 - 1
NAME_BYTES_MAX: Final = 64

_COMMITTEE_TAG: Final = b"SPS1-committee"
_LEADER_TAG: Final = b"SPS1-leader"
_SEED_TAG: Final = b"seed"
_HEAD: Final = struct.Struct(">QH")
_MEMBER: Final = struct.Struct(">H32sQB")
_COUNTER: Final = struct.Struct(">Q")
_DRAW_BITS: Final = 64
_DRAWS_PER_HASH: Final = 4


class Validator(Struct, frozen=True):
    """A seat of the committee: `index` is its bit in certificates and its number in votes."""

    index: int
    name: str
    public_key: bytes
    weight: int


class Committee(Struct, frozen=True):
    """The validators of one epoch, in order of their index."""

    epoch: int
    validators: tuple[Validator, ...]

    @property
    def total_weight(self) -> int:
        return sum(validator.weight for validator in self.validators)


def quorum_reached(committee: Committee, weight_sum: int) -> bool:
    """More than two thirds of the weight: 3w > 2W. The only place where this line is drawn."""
    return 3 * weight_sum > 2 * committee.total_weight


def quorum_size(n: int) -> int:
    """The number of validators of equal weight that make a quorum: floor(2n/3) + 1."""
    return 2 * n // 3 + 1


def committee_hash(committee: Committee) -> bytes:
    """SHA-256 over epoch, size and every seat: what a header names as its committee."""
    parts = [_COMMITTEE_TAG, _HEAD.pack(committee.epoch, len(committee.validators))]
    for seat in committee.validators:
        name = seat.name.encode()
        parts += (_MEMBER.pack(seat.index, seat.public_key, seat.weight, len(name)), name)
    return hashlib.sha256(b"".join(parts)).digest()


def first_seed(chain_id: bytes) -> bytes:
    """The seed of epoch 1: SHA-256("seed" | chain id)."""
    return hashlib.sha256(_SEED_TAG + chain_id).digest()


def leader_order(seed: bytes, n: int) -> tuple[int, ...]:
    """Shuffle 0..n-1 by Fisher-Yates from the seed; integers only, no bias (rejection sampling)."""
    order = list(range(n))
    stream = _Stream(seed)
    for last in range(n - 1, 0, -1):
        chosen = stream.below(last + 1)
        order[last], order[chosen] = order[chosen], order[last]
    return tuple(order)


def leader(order: tuple[int, ...], view: int) -> int:
    """The index of the validator that leads a view: round-robin in the shuffled order."""
    return order[view % len(order)]


class _Stream:
    """Unbiased integers from SHA-256("SPS1-leader" | seed | counter), four 64-bit draws per hash."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._counter = 0
        self._draws: list[int] = []

    def below(self, bound: int) -> int:
        limit = 2**_DRAW_BITS // bound * bound
        draw = self._next()
        while draw >= limit:
            draw = self._next()
        return draw % bound

    def _next(self) -> int:
        if not self._draws:
            block = hashlib.sha256(_LEADER_TAG + self._seed + _COUNTER.pack(self._counter)).digest()
            self._counter += 1
            self._draws = [int.from_bytes(block[8 * i : 8 * i + 8], "big") for i in range(_DRAWS_PER_HASH)]
            self._draws.reverse()
        return self._draws.pop()
