"""Messages and log records to bytes and back, and nothing else from bytes."""

import random

import pytest
from replica_bench import FINALIZE, NOTARIZE, NULLIFY, Bench, batch, certificate, vote

from consensus_node.core.config import CERTIFICATES_PER_MESSAGE_MAX, VOTES_PER_MESSAGE_MAX
from consensus_node.core.durable import (
    Certified,
    EpochBegun,
    Finalized,
    Proposed,
    VoteCast,
    decode_record,
    encode_record,
    view_of,
)
from consensus_node.core.messages import Certs, Proposal, Request, RequestKind, Status, Votes
from consensus_node.core.wire import decode_message, encode_message
from sps.chain.binary import Malformed

BENCH = Bench(index=3)
FIRST = BENCH.proposal(1, [batch(1)[0], batch(1, producer=2)[0]])
CHILD = BENCH.proposal(4, [batch(2)[0]], parent=FIRST.header, nullified=(3, 2))
MESSAGES = [
    FIRST,
    CHILD,
    Votes(3, (vote(3, NOTARIZE, 1, 1, b"x" * 32), vote(3, NULLIFY, 2), vote(3, FINALIZE, 1, 1, b"x" * 32))),
    Certs((certificate(NULLIFY, 7), certificate(FINALIZE, 1, 1, b"x" * 32))),
    Status(1, 1, 5, 4, b"f" * 32, 3, b"a" * 32, 1_700_000_000_000, b"s" * 64),
    Request(2, RequestKind.PROPOSALS, 1, 3, 9, 77, b"s" * 64),
]
RECORDS = [
    Proposed(FIRST.header, FIRST.refs, FIRST.signature),
    VoteCast(vote(3, NULLIFY, 2)),
    Certified(certificate(FINALIZE, 1, 1, b"x" * 32)),
    EpochBegun(1, b"c" * 32),
    Finalized(9, 12, b"i" * 32),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_a_message_comes_back_as_it_was(message):
    assert decode_message(encode_message(message)) == message


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_no_cut_and_no_surplus_byte_is_accepted(message):
    raw = encode_message(message)
    for size in range(len(raw)):
        with pytest.raises(Malformed):
            decode_message(raw[:size])
    with pytest.raises(Malformed):
        decode_message(raw + b"\0")


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_changed_bytes_are_refused_or_are_another_message_with_one_spelling(message):
    dice = random.Random(1)
    for _ in range(300):
        raw = bytearray(encode_message(message))
        raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
        try:
            assert encode_message(decode_message(bytes(raw))) == raw
        except Malformed:
            continue


def test_lists_have_bounds():
    with pytest.raises(Malformed):
        encode_message(Votes(0, (vote(0, NULLIFY, 1),) * (VOTES_PER_MESSAGE_MAX + 1)))
    with pytest.raises(Malformed):
        encode_message(Certs((certificate(NULLIFY, 1),) * (CERTIFICATES_PER_MESSAGE_MAX + 1)))


def test_a_record_of_votes_is_about_one_validator():
    raw = encode_message(Votes(3, (vote(3, NULLIFY, 1),)))
    with pytest.raises(Malformed):
        decode_message(raw[:1] + b"\0\1" + raw[3:])


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: type(r).__name__)
def test_a_log_record_comes_back_as_it_was(record):
    kind, payload = encode_record(record)
    assert decode_record(kind, payload) == record
    with pytest.raises(Malformed):
        decode_record(kind, payload[:-1])


def test_an_unknown_log_record_is_refused():
    with pytest.raises(Malformed):
        decode_record(9, b"")


def test_records_know_their_view():
    assert [view_of(record) for record in RECORDS] == [1, 2, 1, None, None]


def test_a_proposal_repeated_on_request_has_no_certificates():
    again = Proposal(CHILD.header, CHILD.refs, None, (), CHILD.signature)
    assert decode_message(encode_message(again)) == again
