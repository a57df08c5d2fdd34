"""The chain's state in memory: proved blocks in, executed blocks out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from sps.chain.batch import Batch, Verify
from sps.chain.execution import execute, new_state
from sps.chain.genesis import Genesis, chain_id, genesis_bytes
from sps.chain.header import BatchRef, Header
from sps.chain.receipt import Receipt
from sps.chain.state import ChainState
from sps.eventlog.port import EventLog
from sps.runtime.batch_pool import BatchPool
from sps.runtime.block_reader import Proved
from sps.runtime.errors import Defect
from sps.runtime.peers import BlockSource
from sps.runtime.projection import ExecutedBlock
from sps.signing import verify as verify_signature


class Divergence(Defect):
    """A final header carries another result than ours: we compute something else than the committee."""


class ChainFold:
    """Executes blocks one after the other; begins at genesis."""

    def __init__(
        self,
        genesis: Genesis,
        log: EventLog,
        peers: BlockSource,
        verify: Verify = verify_signature,
        told: Callable[[Sequence[Receipt]], None] | None = None,
    ) -> None:
        """`told` hears the receipts of every block that is executed."""
        self.state: Final[ChainState] = new_state(genesis)
        self._pool: Final = BatchPool(genesis, chain_id(genesis_bytes(genesis)), log, peers, verify)
        self._told: Final = told

    @property
    def height(self) -> int:
        """The newest executed height; 0 before the first block."""
        return self.state.height

    @property
    def app_hash(self) -> bytes:
        """The application hash at that height."""
        return self.state.app_hash

    @property
    def refused(self) -> int:
        return self._pool.refused

    @property
    def fetched(self) -> int:
        return self._pool.fetched

    async def batches_of(self, blocks: Sequence[Proved], *, signed: bool = True) -> dict[bytes, Batch]:
        """All batches that these blocks refer to, by digest. Raises `BatchMissing`, changing nothing.

        Not `signed`: they are executed and shown to nobody, so that the digests prove enough.
        """
        refs: list[BatchRef] = [ref for _, committed in blocks for ref in committed.refs]
        return await self._pool.batches(refs, self.state.cursors, signed=signed) if refs else {}

    def execute(self, block: Proved, batches: Mapping[bytes, Batch]) -> ExecutedBlock:
        """Execute the next block. Raises `Divergence` when its header contradicts what we computed."""
        block_id, committed = block
        ordered = tuple(batches[ref.digest] for ref in committed.refs)
        before = self.state.app_hash
        check_result(self.state, committed.header)
        receipts = execute(self.state, committed.header, committed.refs, ordered)
        if self._told is not None:
            self._told(receipts)
        return ExecutedBlock(
            block_id=block_id,
            committed=committed,
            batches=ordered,
            receipts=receipts,
            state=self.state,
            previous_app_hash=before,
            app_hash=self.state.app_hash,
        )


def check_result(state: ChainState, header: Header) -> None:
    """The result that a final header carries is what we computed for the same height."""
    ours = state.results.get(header.exec_height)
    if ours is None or (ours.app_hash, ours.results_root) != (header.app_hash, header.results_root):
        raise Divergence(
            f"block {header.height} states another result of height {header.exec_height} than ours:"
            f" {header.app_hash.hex()}, ours {ours.app_hash.hex() if ours else 'none'}"
        )
