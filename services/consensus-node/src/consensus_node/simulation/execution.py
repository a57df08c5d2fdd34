"""A stand-in for the contracts: a deterministic hash chain, in which some batches set a deadline."""

import hashlib

from msgspec import Struct

from sps.chain.header import FLAG_DRAIN, Header, block_id

DEADLINE_EVERY = 4
"""One block with batches in so many sets a deadline."""
DEADLINE_SPREAD_MS = 200


class Outcome(Struct, frozen=True):
    """The state after a block, as small as can be."""

    app_hash: bytes
    results_root: bytes
    changed: bool
    deadlines: tuple[int, ...]


GENESIS_OUTCOME = Outcome(bytes(32), bytes(32), changed=False, deadlines=())


class Executor:
    """Shared by all nodes of a run: the same chain gives the same outcome, so it is computed once."""

    def __init__(self) -> None:
        self._known: dict[bytes, Outcome] = {}

    def execute(self, before: Outcome, header: Header) -> Outcome:
        """The state after this block on top of that state."""
        key = before.app_hash + block_id(header)
        if key not in self._known:
            self._known[key] = _execute(before, header)
        return self._known[key]


def _execute(before: Outcome, header: Header) -> Outcome:
    if header.flags & FLAG_DRAIN:
        return Outcome(before.app_hash, bytes(32), changed=False, deadlines=before.deadlines)
    fired = tuple(due for due in before.deadlines if due <= header.time_ms)
    left = tuple(due for due in before.deadlines if due > header.time_ms)
    if not fired and not header.batch_count:
        return Outcome(before.app_hash, bytes(32), changed=False, deadlines=left)
    written = b"".join(
        (before.app_hash, header.batches_root, header.height.to_bytes(8, "big"), repr(fired).encode())
    )
    app_hash = hashlib.sha256(written).digest()
    if header.batch_count and app_hash[0] % DEADLINE_EVERY == 0:
        left = tuple(sorted((*left, header.time_ms + app_hash[1] % DEADLINE_SPREAD_MS)))
    return Outcome(app_hash, hashlib.sha256(app_hash).digest(), changed=True, deadlines=left)
