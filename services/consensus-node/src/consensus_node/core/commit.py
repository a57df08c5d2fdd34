"""R6: what a finalization makes final, delivered in the order of heights, and told to the blocks topic."""

from consensus_node.core.config import BLOCKS_PER_REQUEST_MAX, PUBLISH_RANK_MS
from consensus_node.core.durable import Finalized
from consensus_node.core.effects import Deliver, Fault, Forget, PublishCommitted
from consensus_node.core.inputs import Executed
from consensus_node.core.state import State
from consensus_node.core.tree import Block
from consensus_node.core.voting import take_certificate
from sps.chain.block import BadBlock, Committed, verify_committed
from sps.chain.certificate import Certificate
from sps.chain.header import block_id


def commit_finalized(state: State) -> bool:
    """Deliver everything up to the newest finalization whose blocks are all here."""
    certificate, tip = state.final_certificate, state.tree.tip
    if certificate is None or certificate.view <= tip.view:
        return False
    block = state.tree.get(certificate.block_id)
    chain = [] if block is None else list(state.tree.ancestors(block))
    if not chain:
        return False
    lowest = chain[-1]
    if lowest.header.parent_id != tip.id:
        if lowest.height <= tip.height + 1:
            state.halt(tip.height, "a finalization contradicts the final chain")
        return False
    chain.reverse()
    headers = tuple(block.header for block in chain)
    for i, block in enumerate(chain):
        committed = Committed(block.header, block.refs, headers[i + 1 :], certificate)
        if not _advance(state, block, committed):
            return True
        _plan_publication(state, committed, certificate)
    return True


def learn(state: State, committed: Committed) -> None:
    """A committed block from the blocks topic or a peer."""
    height, identity = committed.header.height, block_id(committed.header)
    known = state.tree.final_id(height)
    if known == identity:
        state.publications.seen(height)
        return
    if (known is None and height <= state.tree.tip.height) or height in state.learned:
        return
    try:
        verify_committed(committed, state.config.committee, state.config.chain_id, state.authority.verify)
    except BadBlock as error:
        state.out.effect(Fault(committed.header.proposer, str(error)))
        return
    if known is not None:
        state.halt(height, "another block is final at this height")
        return
    state.known_height = max(state.known_height, height)
    if height <= state.tree.tip.height + BLOCKS_PER_REQUEST_MAX:
        state.learned[height] = committed


def commit_learned(state: State) -> bool:
    """Go on with verified blocks from elsewhere, as far as they follow each other."""
    tip = state.tree.tip
    committed = state.learned.pop(tip.height + 1, None)
    if committed is None:
        return False
    header = committed.header
    if header.parent_id != tip.id:
        state.halt(header.height, "a final block does not follow the final chain")
        return True
    take_certificate(state, committed.finalization)
    identity = block_id(header)
    state.tree.add(Block(identity, header, committed.refs, b""))
    block = state.tree.linked(identity)
    if block is not None:
        _advance(state, block, committed)
    return True


def take_executed(state: State, executed: Executed) -> None:
    """A result. When a quorum has certified another one, this replica must not go on."""
    if not state.results.add(executed):
        state.halt(executed.height, "a quorum computed another result")


def publish_due(state: State) -> None:
    """Write the final blocks whose turn has come to the blocks topic."""
    for committed in state.publications.take_due(state.now_ms):
        state.out.effect(PublishCommitted(committed))


def _advance(state: State, block: Block, committed: Committed) -> bool:
    """One height further; False when our own state contradicts it."""
    if not state.results.announce(block):
        state.halt(block.header.exec_height, "a quorum computed another result")
        return False
    state.tree.advance(block)
    state.results.expect(block.header)
    state.results.forget_below(block.header.exec_height)
    state.batches.forget_ordered(block.cursors or {})
    state.rounds = {view: found for view, found in state.rounds.items() if view > block.view}
    state.timeouts = 0
    state.known_height = max(state.known_height, block.height)
    state.next_view = max(state.next_view, block.view + 1)
    state.out.record(Finalized(block.height, block.view, block.id))
    state.out.effect(Deliver(committed))
    state.out.effect(Forget(block.view))
    return True


def _plan_publication(state: State, committed: Committed, certificate: Certificate) -> None:
    """The leader of the finalized view at once, the others by rank, unless it appears before."""
    due = state.now_ms + state.authority.rank(certificate.view) * PUBLISH_RANK_MS
    if state.config.voting:
        state.publications.plan(committed, due)
