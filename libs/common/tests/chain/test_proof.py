"""A proof file proves all that it says, offline, and a forger gains nothing by any change."""

import json

import chain_story as story
import msgspec
import pytest
from chain_kit import API, CARRIER, PAYMENT, make_genesis
from hypothesis import given, settings
from hypothesis import strategies as st

from sps.chain.certificate import encode_certificate
from sps.chain.genesis import genesis_bytes
from sps.chain.header import encode_header
from sps.chain.proof import BadProof, NotProvable, build_proof, verify_proof
from sps.chain.proof_format import EVENTS_MAX, PROOF_BYTES_MAX
from sps.chain.proof_report import Amounts
from sps.chain.receipt import encode_receipt
from sps.chain.vote import VoteKind
from sps.transactions.terms import terms_hash

STORY = story.Story()
RAW = STORY.proof()
GENESIS = STORY.kit.raw
replace = msgspec.structs.replace


def spell(value):
    return msgspec.json.encode(value, order="sorted")


def plain():
    return json.loads(RAW)


def refused(raw, genesis=GENESIS):
    try:
        verify_proof(raw, genesis)
    except BadProof as error:
        return str(error)
    return ""


def test_the_whole_story_is_proved():
    report = verify_proof(RAW, GENESIS)
    assert (report.contract, report.network, report.version) == (story.CONTRACT, "test", 6)
    assert report.terms == story.sample_terms()
    assert report.terms_hash == terms_hash(report.terms).hex()
    assert (report.seller, report.accepted) == (story.MERCHANT, True)
    assert report.amounts == (Amounts("CNY", 12_345, 12_345, 0, 0),)
    assert [event.kind for event in report.events] == [
        "contract.offer.v1",
        "contract.accept.v1",
        "payment.cleared.v1",
        "parcel.book.v1",
        "parcel.evidence.v1",
        "deadline.inspection",
    ]
    assert [event.height for event in report.events] == [1, 2, 3, 4, 4, 7]
    assert [event.producer for event in report.events] == [API, API, PAYMENT, CARRIER, CARRIER, ""]
    assert report.events[2].time_ms == STORY.kit.blocks[3].header.time_ms
    assert report.events[5].rules == ("M6",)
    assert report.events[5].journals == (story.release_journal(),)
    assert report.highest_height == 11
    assert report.highest_time_ms == STORY.kit.blocks[11].header.time_ms
    assert sum("was finalized by" in line for line in report.signatures) == 9
    assert sum("signed the terms" in line for line in report.signatures) == 2
    assert sum(line.startswith("batch") for line in report.signatures) == 4


def test_a_proof_may_end_before_the_contract_does():
    report = verify_proof(short_proof(2), GENESIS)
    assert (report.version, report.amounts) == (2, ())


def short_proof(events):
    return build_proof(
        STORY.kit.genesis,
        story.CONTRACT,
        [s for s in STORY.sources if s.committed.header.height <= events],
        STORY.carriers,
    )


def leaves(value, path=()):
    """Every (path, leaf) of a JSON value."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from leaves(member, (*path, key))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from leaves(member, (*path, index))
    else:
        yield path, value


def containers(value, path=()):
    """Every (path, dict or list) of a JSON value."""
    if isinstance(value, dict | list):
        yield path, value
        for key, member in value.items() if isinstance(value, dict) else enumerate(value):
            yield from containers(member, (*path, key))


def at(value, path):
    for key in path:
        value = value[key]
    return value


def changed(path, leaf):
    value = plain()
    at(value, path[:-1])[path[-1]] = leaf
    return spell(value)


def other_letter(text, place):
    return text[:place] + ("0" if text[place] != "0" else "1") + text[place + 1 :]


def test_every_single_leaf_counts():
    places = list(leaves(plain()))
    assert len(places) > 50
    for path, leaf in places:
        if isinstance(leaf, int):
            bents = [leaf + 1, leaf - 1, str(leaf), None]
        else:
            bents = [other_letter(leaf, place) for place in (0, len(leaf) // 2, len(leaf) - 1)]
            bents += ["", leaf + "0", leaf + "\n", leaf.upper() if leaf.upper() != leaf else leaf + " ", 1]
        for bent in bents:
            assert refused(changed(path, bent)), (path, bent)


def test_nothing_can_be_left_out_doubled_or_swapped():
    for path, container in containers(plain()):
        for key in list(container) if isinstance(container, dict) else range(len(container)):
            bent = plain()
            del at(bent, path)[key]
            if path == ("events",) and key == len(container) - 1:
                continue
            assert refused(spell(bent)), (path, key)
        if isinstance(container, list):
            for index in range(len(container)):
                bent = plain()
                at(bent, path).insert(index, at(bent, path)[index])
                assert refused(spell(bent)), (path, index)
                bent = plain()
                items = at(bent, path)
                items[index - 1], items[index] = items[index], items[index - 1]
                assert items == container or refused(spell(bent)), (path, index)


@given(st.integers(0, len(RAW) - 1), st.integers(1, 255))
@settings(deadline=None, max_examples=300)
def test_every_bent_byte_is_refused(place, bits):
    bent = bytearray(RAW)
    bent[place] ^= bits
    assert refused(bytes(bent))


@given(st.integers(0, len(RAW) - 1))
@settings(deadline=None, max_examples=50)
def test_every_truncated_file_is_refused(size):
    assert refused(RAW[:size])


@pytest.mark.parametrize(
    "raw", [b"", b"null", b"[]", b"{}", b"\xff", b'"\\ud800"', b"1e9", RAW + b" ", b"[" * 5_000]
)
def test_what_is_no_proof_file_is_refused(raw):
    assert refused(raw)


def test_the_size_of_a_file_is_bounded():
    assert "at most" in refused(b" " * (PROOF_BYTES_MAX + 1))
    value = plain()
    value["events"] *= EVENTS_MAX
    assert "not a proof file" in refused(spell(value))


def test_another_genesis_proves_nothing():
    assert "another chain" in refused(RAW, genesis_bytes(make_genesis(5)))
    assert "genesis" in refused(RAW, b"{}")


def forged(change):
    """The message for a file in which `change` has been made to the JSON value."""
    value = plain()
    change(value)
    return refused(spell(value))


def test_an_omitted_step_shows():
    for number in range(5):
        assert forged(lambda value, number=number: value["events"].pop(number))


def test_the_last_step_cannot_be_hidden_while_its_blocks_stay():
    assert "proves nothing" in forged(lambda value: value["events"].pop())


def test_steps_in_another_order_show():
    assert "version 2" in forged(lambda value: value["events"].insert(0, value["events"].pop(1)))


def replaced_block(index, committed):
    def change(value):
        block = value["blocks"][index]
        block["header"] = encode_header(committed.header).hex()
        block["descendants"] = [encode_header(header).hex() for header in committed.descendants]
        block["certificate"] = encode_certificate(committed.finalization).hex()

    return forged(change)


def test_a_certificate_of_too_few_twice_the_same_or_another_kind_proves_nothing():
    kit = STORY.kit
    header = kit.blocks[3].header
    few = kit.certify(header, signers=[0, 1])
    twice = replace(kit.certify(header, signers=[0, 1, 2]), signatures=few.signatures[:1] * 3)
    for certificate in (few, twice, kit.certify(header, VoteKind.NOTARIZE), kit.blocks[2].finalization):
        assert "block number 3" in replaced_block(2, replace(kit.blocks[3], finalization=certificate))


def test_descendants_prove_a_block_only_as_a_chain():
    kit = STORY.kit
    second, third, fourth = (kit.blocks[height] for height in (2, 3, 4))
    broken = replace(second, descendants=(fourth.header,), finalization=fourth.finalization)
    assert "chain of descendants" in replaced_block(1, broken)
    whole = replace(second, descendants=(third.header, fourth.header), finalization=fourth.finalization)
    assert not replaced_block(1, whole)


def test_two_certified_blocks_at_one_height_are_named():
    kit = STORY.kit
    other = replace(kit.blocks[3].header, app_hash=b"\x07" * 32)
    assert "two different chains" in replaced_block(2, kit.committed(other))


def test_a_refused_step_or_one_of_another_contract_is_not_taken_for_ours():
    value = plain()
    receipts = STORY.kit.receipts[1]
    for other in receipts[:2]:
        value["events"][0]["receipt"] = encode_receipt(other).decode()
        assert "not an accepted step" in refused(spell(value))


def test_a_receipt_spelled_in_another_way_is_refused():
    value = plain()
    value["events"][0]["receipt"] = value["events"][0]["receipt"].replace('","', '", "', 1)
    assert "spelled" in refused(spell(value))
    value["events"][0]["receipt"] = "{}"
    assert "cannot be read" in refused(spell(value))


def test_a_proof_waits_for_the_block_that_carries_the_result():
    carriers = [block for block in STORY.carriers if block.header.height < 11]
    with pytest.raises(NotProvable, match="no block carries the results of height 7"):
        build_proof(STORY.kit.genesis, story.CONTRACT, STORY.sources[:7], carriers)


def test_a_missing_version_batch_or_contract_is_named():
    genesis, sources, carriers = STORY.kit.genesis, STORY.sources, STORY.carriers
    with pytest.raises(NotProvable, match="version 1 is missing"):
        build_proof(genesis, story.CONTRACT, sources[1:], carriers)
    with pytest.raises(NotProvable, match="none of the batches"):
        build_proof(genesis, story.CONTRACT, [replace(sources[0], batches=())], carriers)
    with pytest.raises(NotProvable, match="no accepted step"):
        build_proof(genesis, "ctr_unknown", sources, carriers)


def test_the_caller_may_bring_its_own_check_of_signatures():
    assert verify_proof(RAW, GENESIS, lambda *_: True).version == 6
    with pytest.raises(BadProof):
        verify_proof(RAW, GENESIS, lambda *_: False)
