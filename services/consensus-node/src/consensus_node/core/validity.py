"""R3: may this block be notarized? Never is for good, not yet is answered again after the next input."""

from typing import Literal

from msgspec import Struct

from consensus_node.core.state import State
from consensus_node.core.tree import Block, next_exec_height
from consensus_node.core.work import deadline_due, heartbeat_due, results_trail
from sps.chain.batch import FIRST_PREV_DIGEST
from sps.chain.binary import ZERO_HASH
from sps.chain.block import BadBlock, check_refs
from sps.chain.header import FLAG_DRAIN, FLAG_HEARTBEAT, FLAG_TIMER, BatchRef, Header, cursors_root

EMPTY_KINDS = frozenset({FLAG_DRAIN, FLAG_HEARTBEAT, FLAG_TIMER})


class Verdict(Struct, frozen=True):
    """`missing` and `again_ms` say what a *wait* is for; `proof` that a *never* convicts the leader."""

    kind: Literal["valid", "wait", "never"]
    reason: str = ""
    missing: tuple[BatchRef, ...] = ()
    again_ms: int | None = None
    proof: bool = True


VALID = Verdict("valid")


def stateless_fault(state: State, header: Header, refs: tuple[BatchRef, ...]) -> str | None:
    """What anyone can see is wrong with a proposal, without any state (E5)."""
    try:
        check_refs(header, refs)
    except BadBlock as error:
        return str(error)
    return _wrong_origin(state, header) or _wrong_extras(header)


def _wrong_origin(state: State, header: Header) -> str | None:
    authority = state.authority
    if header.chain_id != state.config.chain_id or header.epoch != authority.epoch:
        return "another chain or epoch"
    if header.proposer != authority.leader(header.view):
        return "the proposer does not lead this view"
    if header.committee_hash != authority.committee_hash:
        return "another committee"
    return None


def _wrong_extras(header: Header) -> str | None:
    reserved = (
        header.evidence_root,
        header.next_committee_hash,
        header.beacon_reveal,
        header.log_root,
        header.state_root,
    )
    if any(root != ZERO_HASH for root in reserved):
        return "a root that has nothing to say is not zero"
    if header.flags if header.batch_count else header.flags not in EMPTY_KINDS:
        return "an empty block says why, by one flag; a full one has none"
    return None


def judge(state: State, block: Block) -> Verdict:
    """All of R3 but the vote itself, which is the caller's."""
    parent = _parent(state, block)
    if isinstance(parent, Verdict):
        return parent
    checks = (_place, _time, _content, _execution, _emptiness)
    return next((v for check in checks if (v := check(state, block, parent)) is not VALID), VALID)


def ancestry_gap(state: State, parent_view: int, view: int) -> tuple[int, ...]:
    """The views between parent and block that we hold no nullification for."""
    rounds = state.rounds
    return tuple(
        v for v in range(parent_view + 1, view) if (r := rounds.get(v)) is None or r.nullification is None
    )


def is_notarized(state: State, block_id: bytes, view: int) -> bool:
    """Whether a quorum certified this block; the final tip needs no certificate."""
    if block_id == state.tree.tip.id:
        return True
    found = state.rounds.get(view)
    return found is not None and found.certified_id == block_id


def _parent(state: State, block: Block) -> Block | Verdict:
    header = block.header
    if header.parent_view < state.tree.tip.view:
        return Verdict("never", "it forks off below a final block", proof=False)
    if header.parent_view >= header.view:
        return Verdict("never", "the parent's view is not before its own")
    if not is_notarized(state, header.parent_id, header.parent_view):
        return Verdict("wait", "the parent is not known to be notarized")
    if ancestry_gap(state, header.parent_view, header.view):
        return Verdict("wait", "a view between parent and block is not known to be nullified")
    parent = state.tree.linked(header.parent_id)
    return Verdict("wait", "the parent or an ancestor is missing") if parent is None else parent


def _place(_state: State, block: Block, parent: Block) -> Verdict:
    header = block.header
    if header.parent_view != parent.view or header.height != parent.height + 1:
        return Verdict("never", "height or view do not follow the parent's")
    return VALID


def _time(state: State, block: Block, parent: Block) -> Verdict:
    time, parameters = block.header.time_ms, state.parameters
    if time <= parent.header.time_ms:
        return Verdict("never", "the time does not come after the parent's")
    if time > state.now_ms + parameters.precision_ms:
        return Verdict("wait", "the time lies in the future", again_ms=time - parameters.precision_ms)
    if time < state.now_ms - parameters.precision_ms - _delay(state):
        return Verdict("never", "the time is too old", proof=False)
    return VALID


def _delay(state: State) -> int:
    """MSGDELAY, times 1.1 per view that timed out, within the longest timeout's growth."""
    delay = state.parameters.message_delay_ms
    for _ in range(min(state.timeouts, 32)):
        delay += delay // 10
    return delay


def _content(state: State, block: Block, parent: Block) -> Verdict:
    missing = state.batches.missing(block.refs)
    if missing:
        return Verdict("wait", "batches are missing", missing)
    cursors = dict(parent.cursors or {})
    for ref in block.refs:
        seq, digest = cursors.get(ref.producer_id, (0, FIRST_PREV_DIGEST))
        stored = state.batches.stored(ref.digest)
        if stored is None or stored.ref != ref or ref.seq != seq + 1 or stored.prev_digest != digest:
            return Verdict("never", "a batch does not continue its producer's chain")
        cursors[ref.producer_id] = (ref.seq, ref.digest)
    if cursors_root(cursors) != block.header.cursors_root:
        return Verdict("never", "another cursors_root")
    return VALID


def _execution(state: State, block: Block, parent: Block) -> Verdict:
    header = block.header
    if header.flags & FLAG_DRAIN:
        return _repeats(header, parent.header)
    if header.exec_height != next_exec_height(parent.trail, state.parameters.execution_lag):
        return Verdict("never", "it carries the result of another height")
    outcome = state.results.get(header.exec_height)
    if outcome is None:
        return Verdict("wait", "the result it carries is not executed here yet")
    if (header.app_hash, header.results_root) != (outcome.app_hash, outcome.results_root):
        return Verdict("never", f"another result of height {header.exec_height}", proof=False)
    return VALID


def _repeats(header: Header, parent: Header) -> Verdict:
    said = (header.exec_height, header.app_hash, header.results_root)
    if parent.height == 0 or said != (parent.exec_height, parent.app_hash, parent.results_root):
        return Verdict("never", "a drain block repeats what its parent carries")
    return VALID


def _emptiness(state: State, block: Block, parent: Block) -> Verdict:
    """Empty only when it serves something, so that nobody can fill an idle chain."""
    header = block.header
    if header.flags == FLAG_HEARTBEAT and not heartbeat_due(state, parent, header.time_ms):
        return Verdict("never", "a heartbeat before its time")
    if header.flags == FLAG_TIMER and not _timer_serves(state, parent, header.time_ms):
        return Verdict("wait", "neither a deadline nor a result waits for an empty block")
    return VALID


def _timer_serves(state: State, parent: Block, time_ms: int) -> bool:
    return (
        any(busy for _, busy in parent.trail)
        or results_trail(state, parent)
        or deadline_due(state, parent, time_ms)
    )
