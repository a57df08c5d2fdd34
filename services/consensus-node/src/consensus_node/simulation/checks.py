"""What must hold in every run, seen from outside all nodes. The first breach ends the run."""

from collections.abc import Sequence

from consensus_node.core.config import ReplicaConfig
from consensus_node.core.effects import Effect, Evidence, Halt, InvalidProposal, Publish, PublishCommitted
from consensus_node.core.messages import Proposal, Votes
from consensus_node.simulation.signatures import fake_verify
from sps.chain.block import Committed, decode_committed, encode_committed, verify_committed
from sps.chain.header import FLAG_DRAIN, BatchRef, block_id
from sps.chain.vote import Vote, VoteKind


class Breach(AssertionError):
    """A property does not hold."""


class Checker:
    """Told about every published message and every delivered block of every node."""

    def __init__(self, config: ReplicaConfig) -> None:
        self._config = config
        self._chain: dict[int, bytes] = {}
        self._cursors: dict[int, tuple[int, bytes]] = {}
        self._votes: dict[tuple[int, int, VoteKind], bytes] = {}
        self._delivered: dict[int, int] = {}
        self.ordered: set[bytes] = set()
        self.carried: set[int] = set()
        """Heights whose result a final header repeats."""

    @property
    def height(self) -> int:
        return len(self._chain)

    def effect(self, node: int, effect: Effect) -> None:
        """No honest node accuses another, stops, or says two things."""
        match effect:
            case Publish(message=Votes(votes=votes)):
                for vote in votes:
                    self._vote(node, vote)
            case Publish(message=Proposal() as proposal) if proposal.header.proposer == node:
                header = proposal.header
                self._say(node, header.view, VoteKind.NOTARIZE, block_id(header))
            case PublishCommitted(committed=committed):
                again = decode_committed(encode_committed(committed))
                verify_committed(again, self._config.committee, self._config.chain_id, fake_verify)
            case Halt(height=height, reason=reason):
                raise Breach(f"node {node} halted at height {height}: {reason}")
            case Evidence(kind=kind, first=first):
                raise Breach(f"node {node} has evidence {kind} against {first.validator} in {first.view}")
            case InvalidProposal(proposal=proposal, reason=reason):
                raise Breach(f"node {node} refuses an honest proposal of {proposal.header.view}: {reason}")
            case _:
                pass

    def deliver(self, node: int, committed: Committed, stored_height: int) -> None:
        """One block per height, in order, the same for all; batches contiguous per producer, each once."""
        header, identity = committed.header, block_id(committed.header)
        if header.height != stored_height + 1:
            raise Breach(f"node {node} delivers height {header.height} after {stored_height}")
        known = self._chain.setdefault(header.height, identity)
        if known != identity:
            raise Breach(f"two final blocks at height {header.height}, the second at node {node}")
        if header.height > self._delivered.get(-1, 0):
            self._delivered[-1] = header.height
            self._batches(committed.refs)
            if not header.flags & FLAG_DRAIN:
                self._carry(header.exec_height)

    def all_ordered(self, refs: Sequence[BatchRef]) -> bool:
        return all(ref.digest in self.ordered for ref in refs)

    def _batches(self, refs: Sequence[BatchRef]) -> None:
        for ref in refs:
            seq, _ = self._cursors.get(ref.producer_id, (0, b""))
            if ref.seq != seq + 1 or ref.digest in self.ordered:
                raise Breach(f"batch {ref.seq} of producer {ref.producer_id} is ordered after {seq}")
            self._cursors[ref.producer_id] = (ref.seq, ref.digest)
            self.ordered.add(ref.digest)

    def _carry(self, height: int) -> None:
        if height and height in self.carried:
            raise Breach(f"the result of height {height} is carried twice")
        self.carried.add(height)

    def _vote(self, node: int, vote: Vote) -> None:
        if vote.validator != node:
            raise Breach(f"node {node} publishes a vote of {vote.validator}")
        self._say(node, vote.view, vote.kind, vote.block_id)

    def _say(self, node: int, view: int, kind: VoteKind, block: bytes) -> None:
        said = self._votes.setdefault((node, view, kind), block)
        if said != block:
            raise Breach(f"node {node} gave two {kind.name} in view {view}")
        other = {VoteKind.FINALIZE: VoteKind.NULLIFY, VoteKind.NULLIFY: VoteKind.FINALIZE}.get(kind)
        if other is not None and (node, view, other) in self._votes:
            raise Breach(f"node {node} gave {kind.name} and {other.name} in view {view}")
