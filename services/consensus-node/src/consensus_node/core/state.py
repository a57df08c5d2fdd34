"""Everything one replica knows. Changed only inside `Replica.step`, by the rules in the modules beside."""

from msgspec import Struct

from consensus_node.core.authority import Authority, Sign
from consensus_node.core.batches import BatchIndex
from consensus_node.core.config import BACK_OFF_STEPS_MAX, VIEWS_WINDOW, ReplicaConfig
from consensus_node.core.effects import Halt
from consensus_node.core.outbox import Outbox
from consensus_node.core.publications import Publications
from consensus_node.core.results import Results
from consensus_node.core.rounds import Round
from consensus_node.core.tree import Block, Tree
from sps.chain.batch import Verify
from sps.chain.binary import ZERO_HASH
from sps.chain.block import Committed
from sps.chain.certificate import Certificate
from sps.chain.genesis import Parameters
from sps.chain.header import GENESIS_HEIGHT, GENESIS_VIEW, Header, genesis_block_id


class Timers(Struct):
    """Due times in ms; None: not running. View timers belong to the current view."""

    lead: int | None = None
    view: int | None = None
    resend: int | None = None
    propose: int | None = None
    judge: int | None = None
    """A proposal's time lies in the future: look again then."""
    fetch: int | None = None
    """Something is missing: ask for it then."""


class State:
    """One replica."""

    def __init__(self, config: ReplicaConfig, sign: Sign, verify: Verify) -> None:
        self.config = config
        self.parameters: Parameters = config.parameters
        self.authority = Authority(config, sign, verify)
        self.out = Outbox(config.index)
        self.tree = Tree(genesis_block(config), config.parameters.execution_lag)
        self.batches = BatchIndex()
        self.results = Results()
        self.timers = Timers()
        self.rounds: dict[int, Round] = {}
        self.now_ms = 0
        self.view = 1
        self.entered_ms = 0
        self.next_view = 1
        """The highest view that a certificate lets us enter."""
        self.watched_since = 1
        """First view seen since the start: before, silence of a leader means nothing."""
        self.seen_in_view = [0] * self.authority.size
        self.timeouts = 0
        """Consecutive views that timed out; reset by a finalization."""
        self.floor = 0
        """In views up to here this replica votes no more."""
        self.final_certificate: Certificate | None = None
        """The newest finalization held; its block may still be missing."""
        self.learned: dict[int, Committed] = {}
        """Verified final blocks above the next height."""
        self.known_height = 0
        """A quorum has finalized this height."""
        self.publications = Publications()
        self.helped_ms: dict[tuple[int, str], int] = {}
        self.halted = False

    def round(self, view: int) -> Round:
        found = self.rounds.get(view)
        if found is None:
            found = self.rounds[view] = Round(view, self.authority)
        return found

    def in_window(self, view: int) -> bool:
        """Views whose votes and proposals are kept."""
        return (
            view > max(self.tree.tip.view, self.floor)
            and self.view - VIEWS_WINDOW <= view <= self.view + VIEWS_WINDOW
        )

    def back_off(self, timeout_ms: int) -> int:
        """R1: times 1.5 per consecutive view that timed out, up to the cap."""
        cap = self.parameters.t_cap_ms
        for _ in range(min(self.timeouts, BACK_OFF_STEPS_MAX)):
            if timeout_ms >= cap:
                break
            timeout_ms += timeout_ms // 2 + 1
        return min(timeout_ms, cap)

    def candidate(self, view: int) -> Block | None:
        """The proposal of a view that can still be voted for: the first that is not refused."""
        found = self.rounds.get(view)
        if found is None:
            return None
        for identity in found.proposals:
            if identity not in found.refused and (block := self.tree.get(identity)) is not None:
                return block
        return None

    def halt(self, height: int, reason: str) -> None:
        """A defect: say so and never vote again."""
        if not self.halted:
            self.halted = True
            self.out.effect(Halt(height, reason))


def genesis_block(config: ReplicaConfig) -> Block:
    """Height 0: it has an id and a time, and nothing in it."""
    header = Header(
        chain_id=config.chain_id,
        epoch=config.committee.epoch,
        view=GENESIS_VIEW,
        height=GENESIS_HEIGHT,
        flags=0,
        parent_view=GENESIS_VIEW,
        parent_id=ZERO_HASH,
        time_ms=config.genesis_time_ms,
        proposer=0,
        batches_root=ZERO_HASH,
        batch_count=0,
        tx_count=0,
        exec_height=0,
        app_hash=ZERO_HASH,
        results_root=ZERO_HASH,
        cursors_root=ZERO_HASH,
        committee_hash=ZERO_HASH,
    )
    block = Block(genesis_block_id(config.chain_id), header, (), b"")
    block.cursors = {}
    return block
