"""Entering views and giving them up: R1 and R4, with all timers of the current view."""

from consensus_node.core.config import ROUNDS_MAX
from consensus_node.core.effects import Fault, InvalidProposal
from consensus_node.core.messages import Proposal
from consensus_node.core.state import State
from consensus_node.core.tree import Block
from consensus_node.core.validity import judge
from consensus_node.core.voting import notarize, nullify
from consensus_node.core.work import has_work, head
from sps.chain.vote import VoteKind


def enter_view(state: State) -> bool:
    """R1: a certificate opened a higher view."""
    if state.next_view <= state.view:
        return False
    state.view = state.next_view
    if len(state.rounds) > ROUNDS_MAX:
        forget_rounds(state)
    state.entered_ms = state.now_ms
    timers = state.timers
    timers.lead = timers.view = timers.resend = timers.propose = timers.judge = None
    return True


def forget_rounds(state: State) -> None:
    """A very long run of views without a final block: keep the highest notarized one and what is above.

    This replica votes no more below: that it voted there is forgotten with the rest.
    """
    notarized = [view for view, found in state.rounds.items() if found.notarization is not None]
    if not notarized:
        return
    for view in [view for view in state.rounds if view < max(notarized)]:
        found = state.rounds.pop(view)
        state.tree.discard(i for i in found.proposals if i != found.certified_id)
    state.floor = max(state.floor, max(notarized) - 1)


def run_timers(state: State) -> bool:
    """R1: timers run only while there is work. R4: when one fires, the view is given up."""
    timers, found = state.timers, state.round(state.view)
    if not has_work(state):
        timers.lead = timers.view = timers.resend = None
        return False
    if timers.resend is None:
        timers.resend = state.now_ms + state.parameters.t_resend_ms
    if VoteKind.NULLIFY in found.mine or not state.config.voting:
        return False
    if timers.view is None:
        timers.lead = state.now_ms + state.back_off(state.parameters.t_lead_ms)
        timers.view = state.now_ms + state.back_off(state.parameters.t_view_ms)
    if state.candidate(state.view) is not None:
        timers.lead = None
    if _expired(state):
        state.timeouts += 1
        nullify(state)
        return VoteKind.NULLIFY in found.mine
    if leader_is_gone(state):
        nullify(state)
        return VoteKind.NULLIFY in found.mine
    return False


def vote_on_proposal(state: State) -> bool:
    """R3, R8: judge the proposal of the current view; notarize it, wait, or refuse it for good."""
    found = state.round(state.view)
    block = state.candidate(state.view)
    if block is None or not state.config.voting or VoteKind.NOTARIZE in found.mine:
        return False
    verdict = judge(state, block)
    state.timers.judge = verdict.again_ms
    if verdict.kind == "valid":
        notarize(state, block)
        return VoteKind.NOTARIZE in found.mine
    if verdict.kind == "never":
        refuse(state, block, verdict.reason, proof=verdict.proof)
        return True
    return False


def refuse(state: State, block: Block, reason: str, *, proof: bool) -> None:
    """R4: a proposal that can never be valid gives the view up at once, and is reported."""
    state.round(block.view).refused.add(block.id)
    if proof:
        proposal = Proposal(block.header, block.refs, None, (), block.signature)
        state.out.effect(InvalidProposal(proposal, reason))
    else:
        state.out.effect(Fault(block.header.proposer, reason))
    if block.view == state.view:
        nullify(state)


def leader_is_gone(state: State) -> bool:
    """R4, the skip rule: no vote of the leader in the last 2n views, while a quorum was active in them."""
    span = 2 * state.authority.size
    since = state.view - span
    leader = state.authority.leader(state.view)
    if since < state.watched_since or leader == state.config.index or state.seen_in_view[leader] >= since:
        return False
    active = (i for i, view in enumerate(state.seen_in_view) if view >= since or i == state.config.index)
    return state.authority.quorum(active)


def leader_gave_up(state: State) -> bool:
    """R4: the leader itself nullified its view, so nothing can come of it."""
    found = state.round(state.view)
    if VoteKind.NULLIFY in found.mine or VoteKind.FINALIZE in found.mine or not state.config.voting:
        return False
    if not found.votes.gave(VoteKind.NULLIFY, state.authority.leader(state.view)):
        return False
    nullify(state)
    return VoteKind.NULLIFY in found.mine


def next_wake(state: State) -> int | None:
    """The nearest time at which something is due."""
    timers = state.timers
    dues = [timers.lead, timers.view, timers.resend, timers.propose, timers.judge, timers.fetch]
    dues.append(state.publications.next_due_ms())
    dues.append(state.results.next_deadline_ms)
    dues.append(head(state).header.time_ms + state.parameters.heartbeat_ms)
    return min((due for due in dues if due is not None and due > state.now_ms), default=None)


def _expired(state: State) -> bool:
    return any(due is not None and due <= state.now_ms for due in (state.timers.lead, state.timers.view))
