"""Start: put log and final chain together again. Votes are re-published byte-identical, never rebuilt."""

from typing import assert_never

from consensus_node.core.durable import Certified, EpochBegun, Finalized, Proposed, Record, VoteCast
from consensus_node.core.inputs import Start
from consensus_node.core.resend import repeat_own
from consensus_node.core.state import State
from consensus_node.core.tree import Block, extend_trail
from consensus_node.core.voting import accept, follow
from sps.chain.header import block_id


def restore(state: State, start: Start) -> None:
    """The first step. Resumes at the higher of: view of the last durable vote, view a certificate opened."""
    _restore_chain(state, start)
    for record in start.records:
        _restore_record(state, record)
    if not any(isinstance(record, EpochBegun) for record in start.records):
        state.out.record(EpochBegun(state.authority.epoch, state.authority.committee_hash))
    voted = [view for view, found in state.rounds.items() if found.mine]
    state.view = max(state.tree.tip.view + 1, state.next_view, *voted) if voted else state.next_view
    state.next_view = state.view
    state.watched_since = state.view
    state.entered_ms = state.now_ms
    if state.config.voting:
        repeat_own(state)


def _restore_chain(state: State, start: Start) -> None:
    tip, lag = state.tree.tip, state.parameters.execution_lag
    for header in start.headers:
        block = Block(block_id(header), header, (), b"")
        block.trail = extend_trail(tip.trail, header, lag)
        state.tree.remember(header.height, block.id)
        state.results.expect(header)
        tip = block
    if start.headers:
        tip.cursors = {cursor.producer_id: (cursor.seq, cursor.digest) for cursor in start.cursors}
        state.tree.tip = tip
        state.results.announce(tip)
        state.batches.forget_ordered(tip.cursors)
    state.known_height = tip.height
    state.next_view = tip.view + 1


def _restore_record(state: State, record: Record) -> None:
    match record:
        case Proposed(header=header, refs=refs, signature=signature):
            block = Block(block_id(header), header, refs, signature)
            state.tree.add(block)
            _restore_proposal(state, block)
        case VoteCast(vote=vote):
            if vote.view > state.tree.tip.view:
                found = state.round(vote.view)
                found.mine[vote.kind] = vote
                follow(state, found.votes.add(vote, verified=True))
        case Certified(certificate=certificate):
            accept(state, certificate, durable=False)
            if certificate.view == state.tree.tip.view and certificate.block_id == state.tree.tip.id:
                state.final_certificate = state.final_certificate or certificate
        case EpochBegun(epoch=epoch, committee_hash=committee):
            if (epoch, committee) != (state.authority.epoch, state.authority.committee_hash):
                state.halt(state.tree.tip.height, "the log belongs to another epoch or committee")
        case Finalized(height=height, block_id=identity):
            state.known_height = max(state.known_height, height)
            if state.tree.final_id(height) not in {None, identity}:
                state.halt(height, "the block store contradicts the log")
        case _:
            assert_never(record)


def _restore_proposal(state: State, block: Block) -> None:
    if block.view > state.tree.tip.view:
        found = state.round(block.view)
        if block.id not in found.proposals:
            found.proposals.append(block.id)
