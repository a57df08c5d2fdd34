"""Is there anything to do? Without work no view passes and nothing is sent (R1, the idle rule)."""

from consensus_node.core.state import State
from consensus_node.core.tree import Block
from sps.chain.vote import VoteKind


def head(state: State) -> Block:
    """The newest notarized block all of whose ancestors are here; else the final tip."""
    for view in range(state.view, state.tree.tip.view, -1):
        found = state.rounds.get(view)
        certified = None if found is None else found.certified_id
        if certified is not None and (block := state.tree.linked(certified)) is not None:
            return block
    return state.tree.tip


def has_work(state: State) -> bool:
    """Whether the timers of the view should run."""
    if state.results.height < 0:
        return False
    at = head(state)
    return needs_block(state, at) or others_wait(state)


def needs_block(state: State, at: Block) -> bool:
    """Whether a leader should build on this block now."""
    return (
        state.batches.any_after(at.cursors or {})
        or results_trail(state, at)
        or deadline_due(state, at, state.now_ms)
        or heartbeat_due(state, at, state.now_ms)
    )


def results_trail(state: State, at: Block) -> bool:
    """Whether a height has, or may have, results that no final header repeats yet."""
    trail = state.results.trail_above(state.tree.tip.header.exec_height)
    return trail or any(state.results.has_results(block) for block in state.tree.ancestors(at))


def deadline_due(state: State, at: Block, time_ms: int) -> bool:
    """Whether a block with this time on top of that one would fire a deadline that none below it fires."""
    due = state.results.next_deadline_ms
    if due is None or due > time_ms:
        return False
    fires_below = any(state.results.fires_in(block) for block in state.tree.ancestors(at))
    return not fires_below and not state.results.fires_soon()


def heartbeat_due(state: State, at: Block, time_ms: int) -> bool:
    """Whether the newest block is as old as it may become on an idle chain."""
    return time_ms - at.header.time_ms >= state.parameters.heartbeat_ms


def others_wait(state: State) -> bool:
    """Whether at least one honest validator gave this view up: it has work that we do not see yet."""
    found = state.rounds.get(state.view)
    if found is None or not state.authority.some_honest(found.votes.voters(VoteKind.NULLIFY)):
        return False
    return state.authority.some_honest(found.votes.supporters(VoteKind.NULLIFY))
