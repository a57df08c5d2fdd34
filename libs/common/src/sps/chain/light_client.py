"""A light client follows final headers with nothing but the genesis document (`docs/protocol.md`).

It keeps the newest headers' names to tell a repeat from a fork. Two certified blocks at one height prove
that a third or more of the committee's weight is faulty: `Fork`, and nothing more is believed.
"""

from collections.abc import Mapping
from typing import Final

from sps import signing
from sps.chain.batch import Verify
from sps.chain.block import Committed, check_refs, verify_final
from sps.chain.certificate import Certificate
from sps.chain.genesis import Genesis, chain_id, genesis_bytes
from sps.chain.header import GENESIS_HEIGHT, Header, block_id, genesis_block_id

KEPT_HEIGHTS_MAX: Final = 8_192
"""How many of the highest final blocks are remembered by name."""

FRESH_HEARTBEATS: Final = 2


class Fork(Exception):
    """Two different blocks are certified at one height, or against a trusted checkpoint: stop and report."""


class LightClient:
    """Believes what a quorum of the committee finalized, in any order of arrival."""

    def __init__(
        self,
        genesis: Genesis,
        checkpoints: Mapping[int, bytes] | None = None,
        verify: Verify = signing.verify,
    ) -> None:
        """`checkpoints` are trusted block ids by height; a chain that conflicts with one is refused."""
        self.chain_id: Final = chain_id(genesis_bytes(genesis))
        self.committee: Final = genesis.committee()
        self.highest: Header | None = None
        self._heartbeat_ms = genesis.parameters.heartbeat_ms
        self._checkpoints = {GENESIS_HEIGHT: genesis_block_id(self.chain_id), **(checkpoints or {})}
        self._verify = verify
        self._names: dict[int, bytes] = {}
        self._parents: dict[int, bytes] = {}

    def accept(self, committed: Committed) -> None:
        """Believe a committed block; raise `BadBlock` when it proves nothing, `Fork` on a second truth."""
        check_refs(committed.header, committed.refs)
        self.accept_header(committed.header, committed.descendants, committed.finalization)

    def accept_header(
        self, header: Header, descendants: tuple[Header, ...], finalization: Certificate
    ) -> None:
        """Believe a header and the descendants that lead to its finalization."""
        verify_final(header, descendants, finalization, self.committee, self.chain_id, self._verify)
        chain = (header, *descendants)
        for final in chain:
            self._refuse_fork(final)
        for final in chain:
            self._remember(final)

    def block_id_at(self, height: int) -> bytes | None:
        """The name of the final block at a height, if it was seen and is still remembered."""
        return self._names.get(height)

    def is_fresh(self, now_ms: int) -> bool:
        """Tell whether the newest final block is younger than two heartbeats; else `now` is not known."""
        return (
            self.highest is not None and now_ms - self.highest.time_ms < FRESH_HEARTBEATS * self._heartbeat_ms
        )

    def _refuse_fork(self, header: Header) -> None:
        name, height = block_id(header), header.height
        known = self._checkpoints.get(height, self._names.get(height, name))
        before = self._checkpoints.get(height - 1, self._names.get(height - 1, header.parent_id))
        after = self._parents.get(height + 1, name)
        if known != name or before != header.parent_id or after != name:
            raise Fork(f"two different chains are certified around height {height}")

    def _remember(self, header: Header) -> None:
        self._names[header.height] = block_id(header)
        self._parents[header.height] = header.parent_id
        if self.highest is None or header.height > self.highest.height:
            self.highest = header
        if len(self._names) > KEPT_HEIGHTS_MAX:
            lowest = min(self._names)
            del self._names[lowest], self._parents[lowest]
