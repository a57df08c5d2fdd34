"""What a validator says of batches and blocks when traces are on, and what it does not believe."""

import pytest
from chain_world import PRODUCER_OF, Deal, World
from trace_listener import Listener

from consensus_node.application.machine import ContractMachine
from consensus_node.application.node_tracing import LINKS_MAX, NodeTracing
from sps.chain.binary import ZERO_HASH
from sps.chain.block import Committed
from sps.chain.certificate import Certificate
from sps.chain.header import block_id, ref_of
from sps.chain.vote import VoteKind
from sps.eventlog.port import Record
from sps.eventlog.topics import TRANSACTIONS
from sps.tracing import names
from sps.tracing.context import headers_of, span_of, trace_of
from sps.transactions.codec import encode, transaction_hash

FOREIGN = span_of(trace_of("somebody's"), "span")


class Proposed:
    """A block of some offers, and a node that executes it."""

    def __init__(self, index: int, offers: int = 2) -> None:
        world = World()
        self.offers = [Deal(f"deal {n}").offer() for n in range(offers)]
        world.raw_block([(PRODUCER_OF["api"], [encode(offer) for offer in self.offers])])
        ((header, self.batches),) = world.blocks
        certificate = Certificate(VoteKind.FINALIZE, 1, 1, 1, ZERO_HASH, (0,), (bytes(64),))
        refs = tuple(ref_of(batch.header) for batch in self.batches)
        self.block = Committed(header, refs, (), certificate)
        self.listener = Listener()
        self.tracing = NodeTracing(self.listener, "node", header.proposer + index)
        self.machine = ContractMachine(world.genesis, self.tracing)

    def execute(self) -> None:
        for _ in self.machine.execute_in_slices(self.block, self.batches):
            pass


def test_the_proposer_tells_each_receipt_below_its_transaction_and_the_block_once():
    proposed = Proposed(0)
    proposed.execute()
    *receipts, whole = proposed.listener.spans
    assert whole.context == names.block(block_id(proposed.block.header))
    assert whole.links[0] == names.batch(proposed.block.refs[0].digest)
    assert len(receipts) == 2
    for offer, span in zip(proposed.offers, receipts, strict=True):
        trace = trace_of(offer.contract)
        assert span.parent == names.transaction(trace, transaction_hash(encode(offer)).hex())
        assert (span.context, span.links) == (names.receipt(trace, 1, receipts.index(span)), (whole.context,))
        assert span.attributes[names.RULES] == "F1"


@pytest.mark.parametrize("index", [1, -1_000], ids=["another-proposed-it", "an-observer"])
def test_who_did_not_propose_it_says_nothing(index):
    proposed = Proposed(index)
    proposed.execute()
    assert proposed.listener.spans == []


def test_what_is_executed_again_at_the_start_is_not_told_again():
    proposed = Proposed(0)
    proposed.machine.execute(proposed.block, proposed.batches)
    assert proposed.listener.spans == []


def test_a_block_of_many_stories_has_a_bounded_number_of_links():
    proposed = Proposed(0, offers=LINKS_MAX + 5)
    proposed.execute()
    assert len(proposed.listener.spans) == LINKS_MAX + 6
    assert len(proposed.listener.spans[-1].links) == LINKS_MAX + 1


def record(value: bytes, headers: tuple) -> Record:
    return Record(TRANSACTIONS, 1, 0, b"", value, 1_000, headers)


def test_of_a_batch_a_header_is_a_link_and_of_garbage_nothing():
    from sps.chain.batch import digest, encode_batch

    proposed = Proposed(0)
    raw, name = encode_batch(proposed.batches[0]), digest(proposed.batches[0].header)
    own, told = names.batch(name), proposed.listener
    records = [
        record(raw, headers_of(own)),
        record(raw, headers_of(FOREIGN)),
        record(raw, ()),
        record(raw, (("traceparent", b"nonsense"),)),
        record(b"garbage", headers_of(FOREIGN)),
    ]
    proposed.tracing.stored(records, {name}.__contains__)
    assert [(span.parent, span.links) for span in told.spans] == [(own, ()), (own, (FOREIGN,))]
    assert {span.context.trace for span in told.spans} == {own.trace}
    assert told.bad == [TRANSACTIONS]
