"""Giving votes and drawing the consequences of votes and certificates, own ones and those of others."""

from collections.abc import Iterable

from consensus_node.core.durable import Certified, Proposed
from consensus_node.core.rounds import Round, may_finalize, may_notarize, may_nullify
from consensus_node.core.state import State
from consensus_node.core.tree import Block
from consensus_node.core.votes import Finding
from sps.chain.binary import ZERO_HASH
from sps.chain.certificate import Certificate
from sps.chain.vote import Vote, VoteKind


def notarize(state: State, block: Block, *, publish: bool = True) -> None:
    """R3: the block goes to the log with the vote. The caller has judged the block."""
    if state.config.voting and block.view > state.floor and may_notarize(state.round(block.view)):
        _cast(state, VoteKind.NOTARIZE, block.view, block, publish=publish)


def nullify(state: State) -> None:
    """R4: give up the current view."""
    if state.config.voting and state.view > state.floor and may_nullify(state.round(state.view)):
        _cast(state, VoteKind.NULLIFY, state.view, None)


def finalize(state: State) -> bool:
    """R5: for every view notarized and not nullified by us whose block and batches are here."""
    if not state.config.voting:
        return False
    done = False
    for view, found in list(state.rounds.items()):
        if found.notarization is None or not may_finalize(found) or view <= state.floor:
            continue
        block = state.tree.get(found.notarization.block_id)
        if block is not None and not state.batches.missing(block.refs):
            _cast(state, VoteKind.FINALIZE, view, block)
            done = True
    return done


def take_vote(state: State, vote: Vote, *, verified: bool = False) -> None:
    """A vote from the topic."""
    if vote.validator >= state.authority.size or vote.epoch != state.authority.epoch:
        return
    if not state.in_window(vote.view):
        return
    if vote.validator == state.config.index and _is_foreign(state, vote):
        state.halt(state.tree.tip.height, "another replica signs with this replica's key")
        return
    state.seen_in_view[vote.validator] = max(state.seen_in_view[vote.validator], vote.view)
    follow(state, state.round(vote.view).votes.add(vote, verified=verified))


def take_certificate(state: State, certificate: Certificate, *, durable: bool = True) -> bool:
    """A certificate from anywhere: verified unless it is held already. False when it is bad."""
    if certificate.epoch != state.authority.epoch:
        return False
    if certificate.view <= state.tree.tip.view:
        return True
    held = state.rounds.get(certificate.view)
    if held is not None and held.certificate(certificate.kind) is not None:
        return True
    if not state.authority.good_certificate(certificate):
        return False
    accept(state, certificate, durable=durable)
    return True


def accept(state: State, certificate: Certificate, *, durable: bool = True) -> None:
    """R1, R6: a verified certificate opens the next view; a finalization is the newest when it is higher."""
    forgotten = certificate.view <= state.floor and certificate.kind is not VoteKind.FINALIZE
    if certificate.view <= state.tree.tip.view or forgotten:
        return
    state.round(certificate.view).keep(certificate)
    state.next_view = max(state.next_view, certificate.view + 1)
    if durable:
        state.out.record(Certified(certificate))
    if certificate.kind is VoteKind.FINALIZE:
        state.known_height = max(state.known_height, certificate.height)
        newest = state.final_certificate
        if newest is None or newest.view < certificate.view:
            state.final_certificate = certificate


def follow(state: State, findings: Iterable[Finding]) -> None:
    """What votes led to."""
    for finding in findings:
        if isinstance(finding, Certificate):
            accept(state, finding)
        else:
            state.out.effect(finding)


def _cast(state: State, kind: VoteKind, view: int, block: Block | None, *, publish: bool = True) -> None:
    height, block_id = (0, ZERO_HASH) if block is None else (block.height, block.id)
    vote = state.authority.vote(kind, view, height, block_id)
    found = state.round(view)
    if block is not None and not _is_durable(found, block):
        block.signature = block.signature or vote.signature
        state.out.record(Proposed(block.header, block.refs, block.signature))
    found.mine[kind] = vote
    state.out.vote(vote, publish=publish)
    follow(state, found.votes.add(vote, verified=True))


def _is_durable(found: Round, block: Block) -> bool:
    """The block went to the log with the NOTARIZE for it."""
    vote = found.mine.get(VoteKind.NOTARIZE)
    return vote is not None and vote.block_id == block.id


def _is_foreign(state: State, vote: Vote) -> bool:
    """Own identity twice: a good signature with our key under a vote that is not in our log."""
    mine = state.round(vote.view).mine.get(vote.kind)
    same = mine is not None and mine.block_id == vote.block_id
    return state.config.voting and not same and state.authority.good_vote(vote)
