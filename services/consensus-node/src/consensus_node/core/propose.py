"""R2: the leader of a view proposes once, on the highest notarized block it can build on."""

from msgspec import Struct

from consensus_node.core.config import NULLIFICATIONS_PER_PROPOSAL_MAX
from consensus_node.core.messages import Proposal
from consensus_node.core.rounds import may_propose
from consensus_node.core.state import State
from consensus_node.core.tree import Block, next_exec_height
from consensus_node.core.voting import notarize
from consensus_node.core.work import deadline_due, heartbeat_due, results_trail
from sps.chain.certificate import Certificate
from sps.chain.header import (
    FLAG_DRAIN,
    FLAG_HEARTBEAT,
    FLAG_TIMER,
    BatchRef,
    Header,
    batches_root,
    block_id,
    cursors_root,
)


class _Result(Struct, frozen=True):
    exec_height: int
    app_hash: bytes
    results_root: bytes


def try_propose(state: State) -> bool:
    """Propose when it is our turn, something is to be done, and everything for it is here."""
    authority, found = state.authority, state.round(state.view)
    if authority.leader(state.view) != state.config.index or not state.config.voting:
        return False
    if state.view <= state.floor or not may_propose(found):
        return False
    parent = choose_parent(state)
    if parent is None or not _interval_over(state, parent):
        return False
    block = build(state, parent)
    if block is None:
        return False
    state.timers.propose = None
    state.tree.add(block)
    found.proposals.append(block.id)
    notarize(state, block, publish=False)
    state.out.publish(proposal_of(state, block))
    return True


def choose_parent(state: State) -> Block | None:
    """The highest certified block whose ancestors are here, every view above it nullified; else None."""
    tip = state.tree.tip
    for view in range(state.view - 1, tip.view, -1):
        found = state.rounds.get(view)
        if found is None:
            return None
        certified = found.certified_id
        block = None if certified is None else state.tree.linked(certified)
        if block is not None:
            return block
        if found.nullification is None:
            return None
    return tip


def build(state: State, parent: Block) -> Block | None:
    """The block to propose on this parent now, not signed yet; None when there is no reason for one."""
    time_ms = max(state.now_ms, parent.header.time_ms + 1)
    refs = state.batches.select(parent.cursors or {})
    flags = 0 if refs else _reason(state, parent, time_ms)
    if flags is None:
        return None
    result = _result(state, parent)
    if result is None:
        if not _may_drain(state, parent):
            return None
        refs, flags = (), FLAG_DRAIN
        above = parent.header
        result = _Result(above.exec_height, above.app_hash, above.results_root)
    header = _header(state, parent, refs, flags, time_ms, result)
    return Block(block_id(header), header, refs, b"")


def proposal_of(state: State, block: Block) -> Proposal:
    """The message: with what others may still need to follow the block's ancestry."""
    header = block.header
    between = range(header.view - 1, header.parent_view, -1)
    held = (state.rounds[view].nullification for view in between if view in state.rounds)
    newest = [certificate for certificate in held if certificate is not None]
    return Proposal(
        header,
        block.refs,
        _parent_certificate(state, header),
        tuple(newest[:NULLIFICATIONS_PER_PROPOSAL_MAX]),
        block.signature,
    )


def _parent_certificate(state: State, header: Header) -> Certificate | None:
    found = state.rounds.get(header.parent_view)
    held = None if found is None else found.notarization or found.finalization
    newest = state.final_certificate
    if held is None and newest is not None and newest.block_id == header.parent_id:
        held = newest
    return held


def _interval_over(state: State, parent: Block) -> bool:
    """Not before min_block_interval after the parent; a parent from the future delays no longer than that."""
    interval = state.parameters.min_block_interval_ms
    due = min(parent.header.time_ms, state.entered_ms) + interval
    state.timers.propose = due if state.now_ms < due else None
    return state.now_ms >= due


def _reason(state: State, parent: Block, time_ms: int) -> int | None:
    """Why an empty block may be made now, as a flag."""
    if results_trail(state, parent) or deadline_due(state, parent, time_ms):
        return FLAG_TIMER
    return FLAG_HEARTBEAT if heartbeat_due(state, parent, time_ms) else None


def _result(state: State, parent: Block) -> _Result | None:
    height = next_exec_height(parent.trail, state.parameters.execution_lag)
    outcome = state.results.get(height)
    return None if outcome is None else _Result(height, outcome.app_hash, outcome.results_root)


def _may_drain(state: State, parent: Block) -> bool:
    """The result we need is of a height that is not final, and has had its time to become so."""
    wanted = next_exec_height(parent.trail, state.parameters.execution_lag)
    due = state.entered_ms + state.parameters.t_lead_ms // 2
    if wanted <= state.tree.tip.height:
        return False
    if state.now_ms < due:
        state.timers.propose = due
    return state.now_ms >= due


def _header(
    state: State, parent: Block, refs: tuple[BatchRef, ...], flags: int, time_ms: int, result: _Result
) -> Header:
    cursors = dict(parent.cursors or {})
    cursors.update((ref.producer_id, (ref.seq, ref.digest)) for ref in refs)
    return Header(
        chain_id=state.config.chain_id,
        epoch=state.authority.epoch,
        view=state.view,
        height=parent.height + 1,
        flags=flags,
        parent_view=parent.view,
        parent_id=parent.id,
        time_ms=time_ms,
        proposer=state.config.index,
        batches_root=batches_root(refs),
        batch_count=len(refs),
        tx_count=sum(ref.tx_count for ref in refs),
        exec_height=result.exec_height,
        app_hash=result.app_hash,
        results_root=result.results_root,
        cursors_root=cursors_root(cursors),
        committee_hash=state.authority.committee_hash,
    )
