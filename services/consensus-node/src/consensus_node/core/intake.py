"""Proposals as they arrive: whose they are, whether they have a place, what certificates they bring."""

from consensus_node.core.config import BLOCKS_PER_VIEW_MAX
from consensus_node.core.effects import Fault
from consensus_node.core.messages import Proposal
from consensus_node.core.state import State
from consensus_node.core.tree import Block
from consensus_node.core.validity import stateless_fault
from consensus_node.core.views import refuse
from consensus_node.core.voting import take_certificate, take_vote
from sps.chain.header import batches_root, block_id
from sps.chain.vote import Vote, VoteKind, vote_body
from sps.signing import Domain


def take_proposal(state: State, proposal: Proposal) -> None:
    """Certificates first (they may open the view), then the block, then the leader's vote with it."""
    header = proposal.header
    if header.epoch != state.authority.epoch or header.view <= state.tree.tip.view:
        return
    certificates = (proposal.parent, *proposal.nullifications)
    if not all(take_certificate(state, c) for c in certificates if c is not None):
        state.out.effect(Fault(state.authority.leader(header.view), "bad certificate in a proposal"))
    identity = block_id(header)
    if state.tree.get(identity) is None and _has_place(state, header.view, identity):
        _keep(state, proposal, identity)


def _has_place(state: State, view: int, identity: bytes) -> bool:
    found = state.rounds.get(view)
    if found is not None and found.certified_id == identity:
        return True
    crowded = found is not None and len(found.proposals) >= BLOCKS_PER_VIEW_MAX
    return state.in_window(view) and not crowded


def _keep(state: State, proposal: Proposal, identity: bytes) -> None:
    header, view = proposal.header, proposal.header.view
    leader = state.authority.leader(view)
    body = vote_body(VoteKind.NOTARIZE, header.epoch, view, header.height, identity)
    signed = state.authority.good_statement(leader, Domain.NOTARIZE, body, proposal.signature)
    found = state.round(view)
    if not signed and found.certified_id != identity:
        state.out.effect(Fault(leader, "bad proposal signature"))
        return
    if batches_root(proposal.refs) != header.batches_root:  # not under the signature: anybody could bend them
        state.out.effect(Fault(leader, "the references are not the header's"))
        return
    block = Block(identity, header, proposal.refs, proposal.signature if signed else b"")
    fault = stateless_fault(state, header, proposal.refs)
    if found.certified_id == identity:
        if len(proposal.refs) == header.batch_count and fault is None:
            state.tree.add(block)
        return
    found.proposals.append(identity)
    if fault is not None:
        refuse(state, block, fault, proof=True)
        return
    state.tree.add(block)
    vote = Vote(leader, VoteKind.NOTARIZE, header.epoch, view, header.height, identity, proposal.signature)
    take_vote(state, vote, verified=True)
