"""Steps that a quorum certified and that still prove nothing: roles, parties' signatures, sums.

Small chains of one block per step; every certificate in them is good.
"""

import json

import chain_story as story
import msgspec
import pytest
from chain_kit import API, CARRIER, PAYMENT, ChainKit, make_genesis, signer

from sps.chain.batch import Batch
from sps.chain.certificate import encode_certificate
from sps.chain.genesis import Parameters
from sps.chain.header import encode_header
from sps.chain.merkle import leaf_hash
from sps.chain.proof import BadProof, NotProvable, ProofSource, build_proof, verify_proof
from sps.chain.proof_report import Amounts
from sps.chain.receipt import encode_receipt
from sps.ledger.journal import journal
from sps.transactions.codec import encode
from sps.transactions.vocabulary import PayoutPaid

replace = msgspec.structs.replace


def spell(value):
    return msgspec.json.encode(value, order="sorted")


def chain_of(*steps, kit=None):
    """A certified chain with one block per step (producer, transaction, receipt changes), and its proof."""
    kit = kit or ChainKit()
    for height, (producer, transaction, changes) in enumerate(steps, 1):
        batches = [kit.batch(producer, [transaction])] if producer else []
        made = replace(story.receipt(height, 0, transaction, height), **changes)
        kit.block(batches, [made])
    return finished(kit)


def finished(kit):
    for _ in range(kit.lag):
        kit.block()
    sources = [ProofSource(kit.blocks[h], kit.batches[h], kit.receipts[h]) for h in kit.blocks]
    return build_proof(kit.genesis, story.CONTRACT, sources, kit.blocks.values())


KIT = ChainKit()
OFFER = (API, story.offer(KIT), {})
ACCEPT = (API, story.accept(KIT), {})


def test_the_small_chains_of_the_next_tests_are_good_when_nothing_is_wrong():
    assert verify_proof(chain_of(OFFER, ACCEPT), KIT.raw).accepted
    assert not verify_proof(chain_of(OFFER), KIT.raw).accepted


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ([(CARRIER, OFFER[1], {})], "may not send"),
        ([OFFER, (PAYMENT, ACCEPT[1], {})], "may not send"),
        ([OFFER, (API, story.paid(), {})], "may not send"),
        ([ACCEPT], "no offer before"),
        ([(CARRIER, story.booked(), {})], "begins with the seller's offer"),
        ([(None, None, {})], "begins with the seller's offer"),
        ([OFFER, OFFER], "offered twice"),
        ([OFFER, ACCEPT, ACCEPT], "stands twice"),
        ([OFFER, (API, ACCEPT[1], {"kind": "contract.decline.v1"})], "another kind"),
        ([OFFER, (API, ACCEPT[1], {"kind": "deadline.offer"})], "another kind"),
        ([OFFER, (API, ACCEPT[1], {"transaction": ""})], "only a deadline"),
        ([OFFER, (None, None, {"transaction": "00" * 32})], "none of the batches"),
        ([OFFER, (None, None, {"kind": "contract.accept.v1"})], "only a deadline"),
        ([(API, story.offer(KIT, contract=story.OTHER_CONTRACT), {})], "about another contract"),
        ([(API, story.offer(KIT, terms=story.sample_terms(1)), {}), ACCEPT], "other terms"),
        ([(API, replace(OFFER[1], signature=ACCEPT[1].signature), {})], "seller's signature"),
        ([(API, replace(OFFER[1], terms=story.sample_terms(2)), {})], "seller's signature"),
        ([(API, replace(OFFER[1], seller_key=ACCEPT[1].buyer_key), {})], "seller's signature"),
        ([OFFER, (API, replace(ACCEPT[1], signature=OFFER[1].signature), {})], "buyer's signature"),
        ([OFFER, (API, replace(ACCEPT[1], buyer_key=signer("x").public_key.hex()), {})], "buyer's signature"),
        ([(API, story.offer(ChainKit(5)), {})], "seller's signature"),
        (
            [OFFER, (None, None, {"journals": (story.received_journal(), story.release_journal())})],
            "without the buyer",
        ),
        ([OFFER, ACCEPT, (None, None, {"journals": (story.release_journal(),)})], "take out more"),
    ],
)
def test_even_a_certified_chain_proves_no_wrong_step(steps, reason):
    with pytest.raises((BadProof, NotProvable), match=reason):
        verify_proof(chain_of(*steps), KIT.raw)


def test_a_result_under_a_header_for_another_height_proves_nothing():
    kit = ChainKit()
    first = story.offer(kit)
    kit.block([kit.batch(API, [first])], [story.receipt(1, 0, first, 1)])
    for _ in range(3):
        kit.block()
    kit.block(exec_height=2)
    with pytest.raises(NotProvable, match="no block carries the results of height 1"):
        finished(kit)


def test_a_result_may_be_carried_later_after_a_drain():
    kit = ChainKit()
    first = story.offer(kit)
    kit.block([kit.batch(API, [first])], [story.receipt(1, 0, first, 1)])
    for _ in range(4):
        kit.block(exec_height=0)
    app_hash, results_root = kit._results[1]
    kit.block(exec_height=1, app_hash=app_hash, results_root=results_root)
    assert verify_proof(finished(kit), kit.raw).version == 1


def test_a_receipt_given_for_another_height_is_not_built_into_a_proof():
    kit = ChainKit()
    first = story.offer(kit)
    kit.block()
    kit.block([kit.batch(API, [first])], [story.receipt(1, 0, first, 1)])
    with pytest.raises(NotProvable, match="height 1 was given for block 2"):
        finished(kit)


def test_a_receipt_that_is_final_at_another_height_proves_nothing_here():
    kit = ChainKit()
    first = story.offer(kit)
    kit.block([kit.batch(API, [first])], [story.receipt(1, 0, first, 1)])
    kit.block()
    value = json.loads(finished(kit))
    value["events"][0]["receipt"] = value["events"][0]["receipt"].replace('"height":1', '"height":2')
    for index, height in enumerate((2, 6)):
        block = kit.blocks[height]
        value["blocks"][index]["header"] = encode_header(block.header).hex()
        value["blocks"][index]["certificate"] = encode_certificate(block.finalization).hex()
    with pytest.raises(BadProof, match="not under the results root that block 6 carries"):
        verify_proof(spell(value), kit.raw)


def test_steps_of_one_block_stand_in_the_order_of_its_receipts():
    kit = ChainKit()
    first, second = OFFER[1], ACCEPT[1]
    receipts = [story.receipt(1, 1, first, 1), story.receipt(1, 0, second, 2)]
    kit.block([kit.batch(API, [first, second])], receipts)
    with pytest.raises(BadProof, match="event 2: it does not come after"):
        verify_proof(finished(kit), kit.raw)


def test_a_deadline_that_names_a_transaction_is_no_deadline():
    value = json.loads(chain_of(OFFER, (API, ACCEPT[1], {"kind": "deadline.offer"})))
    del value["events"][1]["transaction"]
    with pytest.raises(BadProof, match="only a deadline has none"):
        verify_proof(spell(value), KIT.raw)


def test_a_contract_whose_offer_comes_later_is_not_proved():
    with pytest.raises(BadProof, match="begins with the seller's offer"):
        verify_proof(chain_of((CARRIER, story.booked(), {}), OFFER), KIT.raw)


def test_a_refusal_is_no_step_even_with_the_right_version():
    kit = ChainKit()
    done = story.receipt(1, 0, OFFER[1], 1)
    no = story.receipt(1, 1, OFFER[1], 1, code="CONFLICT")
    kit.block([kit.batch(API, [OFFER[1]])], [done, no])
    value = json.loads(finished(kit))
    value["events"][0]["receipt"] = encode_receipt(no).decode()
    value["events"][0]["path"] = ["L" + leaf_hash(encode_receipt(done)).hex()]
    with pytest.raises(BadProof, match="not an accepted step"):
        verify_proof(spell(value), kit.raw)


def test_another_transaction_of_the_same_block_is_not_the_one_of_the_receipt():
    kit = ChainKit()
    first, other = OFFER[1], replace(OFFER[1], id=story.event_id(8))
    kit.block([kit.batch(API, [first, other])], [story.receipt(1, 0, first, 1)])
    value = json.loads(finished(kit))
    claimed = value["events"][0]["transaction"]
    claimed |= {"text": encode(other).decode(), "index": 1, "path": [leaf_hash(encode(first)).hex()]}
    with pytest.raises(BadProof, match="receipt is of another transaction"):
        verify_proof(spell(value), kit.raw)


def test_an_unregistered_producer_vouches_for_nothing():
    kit = ChainKit()
    first = story.offer(kit)
    made = kit.batch(API, [first])
    header = replace(made.header, producer_id=99)
    kit.block([Batch(header, made.signature, made.payload)], [story.receipt(1, 0, first, 1)])
    with pytest.raises(BadProof, match="not registered"):
        verify_proof(finished(kit), kit.raw)


def test_a_batch_that_its_producer_did_not_sign_vouches_for_nothing():
    kit = ChainKit()
    first = story.offer(kit)
    made = kit.batch(API, [first])
    kit.block([Batch(made.header, bytes(64), made.payload)], [story.receipt(1, 0, first, 1)])
    with pytest.raises(BadProof, match="not signed by contract-api"):
        verify_proof(finished(kit), kit.raw)


def test_what_no_transaction_of_the_vocabulary_is_proves_nothing():
    kit = ChainKit()
    raw = b'{"type":"contract.offer.v9"}'
    made = replace(story.receipt(1, 0, story.offer(kit), 1), transaction=story.digest_of(raw.decode()))
    kit.block([kit.batch(API, [raw])], [made])
    with pytest.raises(BadProof, match="cannot be read"):
        verify_proof(finished(kit), kit.raw)


def test_a_transaction_without_a_contract_in_it_belongs_where_the_receipt_says():
    fact = PayoutPaid(
        id=story.event_id(7), payout="pyo" + story.PAYMENT_ID[3:], reference="r", raw=story.digest_of("x")
    )
    report = verify_proof(chain_of(OFFER, ACCEPT, (PAYMENT, fact, {})), KIT.raw)
    assert report.events[2].kind == "payout.paid.v1"


def test_money_is_summed_per_currency_and_refunds_are_told_apart():
    surplus = f"2020/{story.CONTRACT}/EUR"
    steps = (
        journal("P11", [("1000/stripe/EUR", 500), (surplus, -500)]),
        journal("P40", [(surplus, 500), ("2310/rfd_x/EUR", -500)]),
        journal("P42", [("2310/rfd_x/EUR", 200), (f"2200/{story.CONTRACT}/EUR", -200)]),
        story.received_journal(),
    )
    report = verify_proof(chain_of(OFFER, ACCEPT, (None, None, {"journals": steps})), KIT.raw)
    assert report.amounts == (Amounts("CNY", 12_345, 0, 0, 12_345), Amounts("EUR", 500, 0, 300, 0))


def test_the_execution_lag_is_the_one_of_the_genesis():
    kit = ChainKit(genesis=make_genesis(1, Parameters(execution_lag=1)))
    raw = chain_of((API, story.offer(kit), {}), (API, story.accept(kit), {}), kit=kit)
    assert verify_proof(raw, kit.raw).highest_height == 3


def test_a_void_batch_is_passed_over():
    kit = ChainKit()
    first = story.offer(kit)
    made = kit.batch("settlement", [first])
    unreadable = Batch(made.header, made.signature, b"\x00")
    kit.block([unreadable, kit.batch(API, [first])], [story.receipt(1, 0, first, 1)])
    assert verify_proof(finished(kit), kit.raw).version == 1
