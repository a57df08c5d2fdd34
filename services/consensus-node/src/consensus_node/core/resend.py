"""R7: while a view lasts, repeat what others may lack; answer those who lag or ask; ask for what we lack.

Nothing here is needed for safety, and on an idle chain nothing here sends.
"""

from collections.abc import Iterable

import msgspec

from consensus_node.core.config import (
    BATCHES_PER_REQUEST_MAX,
    BLOCKS_PER_REQUEST_MAX,
    CERTIFICATES_PER_ANSWER_MAX,
    CERTIFICATES_PER_MESSAGE_MAX,
    FETCH_DELAY_MS,
    PROPOSALS_PER_ANSWER_MAX,
    VIEWS_PER_REQUEST_MAX,
    VOTES_PER_MESSAGE_MAX,
)
from consensus_node.core.effects import Fault, RequestBatches, RequestCommitted
from consensus_node.core.messages import Certs, Proposal, Request, RequestKind, Status, Votes
from consensus_node.core.propose import proposal_of
from consensus_node.core.state import State
from consensus_node.core.validity import ancestry_gap
from consensus_node.core.wire import request_body, status_body
from consensus_node.core.work import has_work
from sps.chain.certificate import Certificate
from sps.chain.header import BatchRef
from sps.chain.vote import VoteKind
from sps.signing import Domain

HELP_SHARE = 4
"""The same validator is helped in the same way at most so many times per resend interval."""


def resend_due(state: State) -> None:
    """Repeat everything of this view when its resend timer fires."""
    due = state.timers.resend
    if due is None or due > state.now_ms or not has_work(state):
        return
    state.timers.resend = state.now_ms + state.parameters.t_resend_ms
    repeat_own(state)
    publish_certificates(state, newest_certificates(state))
    if state.config.voting:
        state.out.publish(own_status(state))


def repeat_own(state: State) -> None:
    """Own votes above the final block, identical bytes, and the own proposal of this view."""
    votes = [vote for view in sorted(state.rounds) for vote in state.rounds[view].mine.values()]
    if votes:
        state.out.publish(Votes(state.config.index, tuple(votes[-VOTES_PER_MESSAGE_MAX:])))
    current = state.rounds.get(state.view)
    vote = None if current is None else current.mine.get(VoteKind.NOTARIZE)
    if vote is None or state.authority.leader(state.view) != state.config.index:
        return
    block = state.tree.get(vote.block_id)
    if block is not None:
        state.out.publish(proposal_of(state, block))


def newest_certificates(state: State) -> list[Certificate]:
    """The latest finalization, what let us in, and the newest ones between."""
    final = [] if state.final_certificate is None else [state.final_certificate]
    above = [c for view in sorted(state.rounds, reverse=True) for c in state.rounds[view].certificates()]
    fresh = [certificate for certificate in above if certificate not in final]
    return [*final, *fresh[: CERTIFICATES_PER_MESSAGE_MAX - len(final)]]


def publish_certificates(state: State, certificates: Iterable[Certificate]) -> None:
    """One message, within its bound, unless there is nothing to say."""
    some = tuple(certificates)[:CERTIFICATES_PER_MESSAGE_MAX]
    if some:
        state.out.publish(Certs(some))


def take_status(state: State, status: Status) -> None:
    """Somebody has work and says where it stands: help it when behind, repeat our votes when level."""
    view, final = state.view, state.tree.tip.height
    behind = status.view < view or status.finalized_height < final
    if not behind and status.view > view:
        return
    if not _may_help(state, status.validator, "status"):
        return
    if not state.authority.good_statement(
        status.validator, Domain.STATUS, status_body(status), status.signature
    ):
        state.out.effect(Fault(status.validator, "bad status signature"))
        return
    state.helped_ms[status.validator, "status"] = state.now_ms
    if behind:
        publish_certificates(state, newest_certificates(state))
    if status.view == view:
        repeat_own(state)


def take_request(state: State, request: Request) -> None:
    """Answer a question about views, if it is truly asked by a validator."""
    if not _may_help(state, request.validator, request.kind.name):
        return
    if not state.authority.good_statement(
        request.validator, Domain.REQUEST, request_body(request), request.signature
    ):
        state.out.effect(Fault(request.validator, "bad request signature"))
        return
    state.helped_ms[request.validator, request.kind.name] = state.now_ms
    first, last = request.from_view, min(request.to_view, request.from_view + VIEWS_PER_REQUEST_MAX)
    views = [view for view in sorted(state.rounds) if first <= view <= last]
    if first <= state.tree.tip.view and state.final_certificate is not None:
        publish_certificates(state, [state.final_certificate])
    if request.kind is RequestKind.CERTIFICATES:
        found = [c for view in views for c in state.rounds[view].certificates()]
        for start in range(0, CERTIFICATES_PER_ANSWER_MAX, CERTIFICATES_PER_MESSAGE_MAX):
            publish_certificates(state, found[start:])
        return
    ids = [i for view in views if (i := state.rounds[view].certified_id) is not None]
    blocks = [block for i in ids if (block := state.tree.get(i)) is not None]
    for block in blocks[:PROPOSALS_PER_ANSWER_MAX]:
        if block.signature:
            state.out.publish(Proposal(block.header, block.refs, None, (), block.signature))


def fetch_due(state: State) -> None:
    """Ask for what is missing, a little after it was first missed and then at every resend interval."""
    timers = state.timers
    batches, views, certificates = _missing_batches(state), _missing_blocks(state), _missing_views(state)
    heights = state.known_height > state.tree.tip.height
    if not (batches or views or certificates or heights):
        timers.fetch = None
        return
    if timers.fetch is None:
        timers.fetch = state.now_ms + FETCH_DELAY_MS
    if timers.fetch > state.now_ms:
        return
    timers.fetch = state.now_ms + state.parameters.t_resend_ms
    if heights:
        first = state.tree.tip.height + 1
        last = min(state.known_height, first + BLOCKS_PER_REQUEST_MAX - 1)
        state.out.effect(RequestCommitted(first, last))
    if batches:
        state.batches.wanted = {ref.digest for ref in batches}
        state.out.effect(RequestBatches(batches[:BATCHES_PER_REQUEST_MAX]))
    if views:
        _ask(state, RequestKind.PROPOSALS, views)
    if certificates:
        _ask(state, RequestKind.CERTIFICATES, certificates)


def own_status(state: State) -> Status:
    """Where this replica stands, signed."""
    tip = state.tree.tip
    outcome = state.results.get(state.results.height)
    status = Status(
        validator=state.config.index,
        epoch=state.authority.epoch,
        view=state.view,
        finalized_height=tip.height,
        finalized_id=tip.id,
        exec_height=max(state.results.height, 0),
        app_hash=bytes(32) if outcome is None else outcome.app_hash,
        time_ms=state.now_ms,
        signature=b"",
    )
    return msgspec.structs.replace(
        status, signature=state.authority.statement(Domain.STATUS, status_body(status))
    )


def _ask(state: State, kind: RequestKind, views: list[int]) -> None:
    if not state.config.voting:
        return
    request = Request(
        validator=state.config.index,
        kind=kind,
        epoch=state.authority.epoch,
        from_view=min(views),
        to_view=max(views),
        nonce=state.now_ms,
        signature=b"",
    )
    signature = state.authority.statement(Domain.REQUEST, request_body(request))
    state.out.publish(msgspec.structs.replace(request, signature=signature))


def _missing_batches(state: State) -> tuple[BatchRef, ...]:
    """Of the proposal to judge, and of certified blocks that wait for our FINALIZE."""
    blocks = [state.candidate(state.view)]
    blocks += [state.tree.get(i) for f in state.rounds.values() if (i := f.certified_id) is not None]
    refs = (ref for block in blocks if block is not None for ref in state.batches.missing(block.refs))
    return tuple(dict.fromkeys(refs))


def _missing_blocks(state: State) -> list[int]:
    """Views whose certified block is not here."""
    rounds = state.rounds.items()
    return [v for v, f in rounds if (i := f.certified_id) is not None and state.tree.get(i) is None]


def _missing_views(state: State) -> list[int]:
    """Views whose certificates the proposal of this view needs and we do not hold."""
    block = state.candidate(state.view)
    if block is None:
        return _gap_below(state)
    header = block.header
    gap = list(ancestry_gap(state, header.parent_view, header.view))
    found = state.rounds.get(header.parent_view)
    if header.parent_view > state.tree.tip.view and (found is None or found.certified_id is None):
        gap.append(header.parent_view)
    return gap


def _gap_below(state: State) -> list[int]:
    """As a leader that has to propose: the newest view of which we know nothing that leads below it."""
    if state.authority.leader(state.view) != state.config.index:
        return []
    for view in range(state.view - 1, state.tree.tip.view, -1):
        found = state.rounds.get(view)
        if found is None or (found.certified_id is None and found.nullification is None):
            return [view]
        if found.nullification is None:
            return []
    return []


def _may_help(state: State, validator: int, what: str) -> bool:
    if validator >= state.authority.size or validator == state.config.index:
        return False
    interval = state.parameters.t_resend_ms // HELP_SHARE
    last = state.helped_ms.get((validator, what))
    return last is None or state.now_ms - last >= interval
