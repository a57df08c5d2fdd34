"""The whole way with the real execution: facts, blocks, receipts, proof file, report."""

import chain_story as story
from chain_kit import API, CARRIER, PAYMENT, ChainKit

from sps.chain.execution import execute, new_state
from sps.chain.header import ref_of
from sps.chain.proof import ProofSource, build_proof, verify_proof
from sps.chain.proof_report import Amounts


class Executed:
    """A certified chain whose headers carry what execution really gave."""

    def __init__(self):
        self.kit = ChainKit()
        self.state = new_state(self.kit.genesis)

    def block(self, *batches, **changes):
        header = self.kit.header(batches, **changes)
        receipts = execute(self.state, header, [ref_of(batch.header) for batch in batches], batches)
        self.kit.block(batches, receipts, **changes)
        result = self.state.result_of(header.height)
        self.kit.result(header.height, result.app_hash, result.results_root)


def test_an_executed_contract_is_proved_from_offer_to_release():
    chain = Executed()
    kit = chain.kit
    chain.block(kit.batch(API, [story.offer(kit)]))
    chain.block(kit.batch(API, [story.accept(kit)]))
    chain.block(kit.batch(PAYMENT, [story.paid(), story.paid(33)]))
    chain.block(kit.batch(CARRIER, [story.booked(), story.delivered()]))
    chain.block(time_ms=chain.state.next_deadline_ms())
    for _ in range(kit.lag):
        chain.block()
    sources = [ProofSource(kit.blocks[h], kit.batches[h], kit.receipts[h]) for h in kit.blocks]
    raw = build_proof(kit.genesis, story.CONTRACT, sources, kit.blocks.values())
    report = verify_proof(raw, kit.raw)
    assert report.amounts == (Amounts("CNY", story.PRICE, story.PRICE, 0, 0),)
    assert report.events[-1].kind == "deadline.inspection"
    assert report.events[-1].rules == ("M6",)
    assert report.events[-1].state == kit.receipts[5][0].state
