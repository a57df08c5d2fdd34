"""The contracts and the ledger as the node's state machine: `sps.chain.execution` over a state."""

from collections.abc import Generator, Sequence

from consensus_node.application.node_tracing import NodeTracing
from consensus_node.application.ports import Outcome
from sps.chain.batch import Batch
from sps.chain.block import Committed
from sps.chain.execution import execute, execute_in_slices, new_state
from sps.chain.genesis import Genesis
from sps.chain.state import ChainState
from sps.runtime.errors import Defect


class ContractMachine:
    """Starts at the genesis; only `execute` changes it."""

    def __init__(self, genesis: Genesis, tracing: NodeTracing | None = None) -> None:
        self.state: ChainState = new_state(genesis)
        self._halfway = False
        self._tracing = tracing

    @property
    def height(self) -> int:
        return self.state.height

    def outcome(self) -> Outcome:
        return self._outcome(changed=False)

    def execute(self, committed: Committed, batches: Sequence[Batch]) -> Outcome:
        before = self.state.app_hash
        receipts = execute(self.state, committed.header, committed.refs, batches)
        if self._tracing is not None:
            self._tracing.executed(committed, receipts, live=False)
        return self._outcome(changed=self.state.app_hash != before)

    def execute_in_slices(
        self, committed: Committed, batches: Sequence[Batch]
    ) -> Generator[None, None, Outcome]:
        """The same with pauses; a block that is left halfway is a defect."""
        if self._halfway:
            raise Defect(f"height {self.height} was left halfway")
        before, self._halfway = self.state.app_hash, True
        receipts = yield from execute_in_slices(self.state, committed.header, committed.refs, batches)
        self._halfway = False
        if self._tracing is not None:
            self._tracing.executed(committed, receipts, live=True)
        return self._outcome(changed=self.state.app_hash != before)

    def _outcome(self, *, changed: bool) -> Outcome:
        state = self.state
        result = state.result_of(state.height)
        return Outcome(state.height, result.app_hash, result.results_root, changed, state.next_deadline_ms())
