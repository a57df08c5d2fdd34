"""Every format has one spelling, and it is the one of the golden files."""

import json

import chain_golden
import msgspec
import pytest
from chain_kit import API, ChainKit
from hypothesis import given, settings
from hypothesis import strategies as st

from sps.chain import batch as batches
from sps.chain import header as headers
from sps.chain.batch import BadBatch, Batch, check_batch, decode_payload, encode_payload, seal
from sps.chain.binary import Malformed, Reader
from sps.chain.block import DESCENDANTS_MAX, decode_committed, decode_named, encode_committed
from sps.chain.genesis import BadGenesis
from sps.chain.header import HEADER_BYTES, block_id, height_of
from sps.chain.proof_format import BadProof
from sps.chain.vote import VoteKind, sign_vote, verify_vote, vote_body

replace = msgspec.structs.replace
SAMPLES = chain_golden.samples()
BINARY = [name for name, sample in SAMPLES.items() if not sample.text]
REFUSALS = (Malformed, BadGenesis, BadProof)
TEXT_STRIDE = 11
"""Text formats are longer; every 11th byte is bent."""


def refused_or_identical(sample, raw):
    try:
        value = sample.decode(raw)
    except REFUSALS:
        return True
    return sample.encode(value) == raw


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_spelled_as_in_its_golden_files(name):
    for file, content in chain_golden.files(name, SAMPLES[name]).items():
        assert (chain_golden.FOLDER / file).read_bytes() == content


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_read_back_as_it_was(name):
    sample = SAMPLES[name]
    assert sample.decode(sample.encode(sample.value)) == sample.value


@pytest.mark.parametrize("name", SAMPLES)
def test_every_truncation_and_every_surplus_byte_is_refused_or_its_own_spelling(name):
    sample = SAMPLES[name]
    raw = sample.encode(sample.value)
    stride = TEXT_STRIDE if sample.text else 1
    assert all(refused_or_identical(sample, raw[:size]) for size in range(0, len(raw), stride))
    assert refused_or_identical(sample, raw + b"\x00")


@pytest.mark.parametrize("name", [name for name in BINARY if name != "batch"])
def test_a_truncated_record_is_refused(name):
    sample = SAMPLES[name]
    raw = sample.encode(sample.value)
    for bent in (b"", raw[:-1], raw[1:], raw + b"\x00"):
        with pytest.raises(Malformed):
            sample.decode(bent)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_flipped_bit_is_refused_or_its_own_spelling(name):
    sample = SAMPLES[name]
    raw = sample.encode(sample.value)
    stride = TEXT_STRIDE if sample.text else 1
    for place in range(0, len(raw), stride):
        for bit in (place % 8,) if sample.text else range(8):
            bent = bytearray(raw)
            bent[place] ^= 1 << bit
            assert refused_or_identical(sample, bytes(bent)), (place, bit)


@given(st.binary(max_size=600))
@settings(deadline=None)
def test_random_bytes_are_refused_or_their_own_spelling(raw):
    assert all(refused_or_identical(sample, raw) for sample in SAMPLES.values())


@given(st.lists(st.binary(max_size=40), max_size=20))
@settings(deadline=None)
def test_a_payload_comes_back_as_it_was_framed(transactions):
    assert decode_payload(encode_payload(transactions)) == transactions


@given(st.binary(max_size=80))
@settings(deadline=None)
def test_a_payload_is_refused_or_framed_in_its_only_way(payload):
    try:
        transactions = decode_payload(payload)
    except Malformed:
        return
    assert encode_payload(transactions) == payload


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x00\x00\x00",
        b"\x00\x00\x00\x01",
        b"\x00\x00\x00\x01\x00\x00\x00\x02a",
        b"\x00\x00\x00\x00a",
        b"\x00\x00\x00\x01\xff\xff\xff\xffa",
        (batches.BATCH_TX_MAX + 1).to_bytes(4, "big") + bytes(4 * (batches.BATCH_TX_MAX + 1)),
    ],
)
def test_a_payload_that_is_cut_or_too_long_is_refused(payload):
    with pytest.raises(Malformed):
        decode_payload(payload)


def test_a_batch_record_of_a_wrong_size_is_refused():
    batch = SAMPLES["batch"].value
    raw = batches.encode_batch(batch)
    swollen = Batch(batch.header, batch.signature, bytes(batches.BATCH_BYTES_MAX + 1))
    large = replace(batch.header, payload_len=batches.BATCH_BYTES_MAX + 1)
    for bent in (
        raw[:191],
        raw[:195],
        raw[:-1],
        raw + b"!",
        batches.encode_batch(replace(swollen, header=large)),
    ):
        with pytest.raises(Malformed):
            batches.decode_batch(bent)


def test_the_widths_are_the_ones_of_the_protocol():
    assert (batches.BATCH_HEADER_BYTES, headers.HEADER_BYTES, headers.REF_BYTES) == (128, 443, 88)
    assert len(vote_body(VoteKind.FINALIZE, 1, 2, 3, bytes(32))) == 56


@pytest.mark.parametrize("name", ["chain_id", "parent_id", "batches_root", "app_hash", "state_root"])
def test_a_hash_of_another_width_is_never_padded(name):
    header = SAMPLES["header"].value
    for wrong in (b"", bytes(31), bytes(33)):
        with pytest.raises(Malformed):
            headers.encode_header(msgspec.structs.replace(header, **{name: wrong}))


def test_unknown_flags_and_versions_are_refused():
    raw = SAMPLES["header"].encode(SAMPLES["header"].value)
    with pytest.raises(Malformed, match="version"):
        headers.decode_header(b"\x00\x02" + raw[2:])
    with pytest.raises(Malformed, match="flags"):
        headers.decode_header(raw[:58] + b"\x80" + raw[59:])


def test_every_field_of_a_header_is_under_its_block_id():
    header = SAMPLES["header"].value
    names = {headers.block_id(header)}
    for field in header.__struct_fields__:
        value = getattr(header, field)
        other = bytes(b ^ 1 for b in value) if isinstance(value, bytes) else value + 1
        names.add(headers.block_id(msgspec.structs.replace(header, **{field: other})))
    assert len(names) == 1 + len(header.__struct_fields__)


def test_name_and_height_of_a_block_are_read_from_its_bytes():
    kit = ChainKit()
    for _ in range(3):
        made = kit.block([kit.batch(API, [b"one"])])
    raw = encode_committed(made)
    assert decode_named(raw) == (block_id(made.header), made)
    assert height_of(raw) == 3
    with pytest.raises(Malformed):
        height_of(raw[: HEADER_BYTES - 1])


def test_a_record_has_no_more_lists_than_it_may():
    committed = SAMPLES["committed"].value
    many = msgspec.structs.replace(committed, descendants=(committed.header,) * (DESCENDANTS_MAX + 1))
    with pytest.raises(Malformed):
        encode_committed(many)
    many = msgspec.structs.replace(committed, refs=committed.refs * (headers.REFS_MAX + 1))
    with pytest.raises(Malformed):
        encode_committed(many)
    raw = encode_committed(committed)
    with pytest.raises(Malformed, match="at most"):
        decode_committed(raw[:443] + b"\xff\xff" + raw[445:])


def test_a_vote_of_an_unknown_kind_or_a_nullify_with_a_block_is_refused():
    raw = SAMPLES["vote_nullify"].encode(SAMPLES["vote_nullify"].value)
    with pytest.raises(Malformed):
        SAMPLES["vote"].decode(raw[:2] + b"\x05" + raw[3:])
    with pytest.raises(Malformed):
        SAMPLES["vote"].decode(raw[:26] + b"\x01" + raw[27:])
    with pytest.raises(Malformed):
        vote_body(VoteKind.NULLIFY, 1, 2, 3, bytes(32))


def test_a_vote_is_good_for_its_own_words_only():
    kit = ChainKit()
    vote = sign_vote(kit.validators[0], kit.chain_id, 0, VoteKind.FINALIZE, 1, 2, 3, bytes(32))
    key = kit.committee.validators[0].public_key
    assert verify_vote(vote, key, kit.chain_id)
    assert not verify_vote(vote, key, bytes(32))
    assert not verify_vote(vote, kit.committee.validators[1].public_key, kit.chain_id)
    others = {"kind": VoteKind.NOTARIZE, "epoch": 2, "view": 3, "height": 4, "block_id": b"\x01" * 32}
    for field, value in others.items():
        assert not verify_vote(msgspec.structs.replace(vote, **{field: value}), key, kit.chain_id)
    assert not verify_vote(msgspec.structs.replace(vote, kind=VoteKind.NULLIFY), key, kit.chain_id)


def good_batch():
    kit = ChainKit()
    return kit, kit.batch(API, [b"one", b"two"]), kit.genesis.producers[0].key


def test_a_sealed_batch_is_accepted():
    kit, batch, key = good_batch()
    check_batch(batch, key, kit.chain_id)


def test_the_batches_of_a_producer_form_a_chain():
    kit, batch, key = good_batch()
    second = kit.batch(API, [b"three"])
    check_batch(second, key, kit.chain_id)
    assert (second.header.seq, second.header.prev_digest) == (2, batches.digest(batch.header))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"payload_len": 5}, "BAD_SIZE"),
        ({"tx_count": 3}, "BAD_COUNT"),
        ({"tx_count": 0}, "BAD_COUNT"),
        ({"tx_count": batches.BATCH_TX_MAX + 1}, "BAD_COUNT"),
        ({"payload_hash": bytes(32)}, "BAD_PAYLOAD_HASH"),
        ({"seq": 0}, "BAD_SEQUENCE"),
        ({"seq": 0, "prev_digest": b"\x01" * 32}, "BAD_SEQUENCE"),
        ({"seq": 2}, "BAD_SEQUENCE"),
        ({"prev_digest": b"\x01" * 32}, "BAD_SEQUENCE"),
        ({"tx_root": bytes(32)}, "BAD_SIGNATURE"),
        ({"created_ms": 1}, "BAD_SIGNATURE"),
        ({"producer_id": 2}, "BAD_SIGNATURE"),
    ],
)
def test_a_batch_with_one_bent_field_is_refused_by_name(changes, code):
    kit, batch, key = good_batch()
    bent = Batch(msgspec.structs.replace(batch.header, **changes), batch.signature, batch.payload)
    with pytest.raises(BadBatch) as caught:
        check_batch(bent, key, kit.chain_id)
    assert caught.value.code == code


def test_a_batch_of_another_chain_key_or_payload_is_refused():
    kit, batch, key = good_batch()
    with pytest.raises(BadBatch, match="BAD_SIGNATURE"):
        check_batch(batch, key, bytes(32))
    with pytest.raises(BadBatch, match="BAD_SIGNATURE"):
        check_batch(batch, kit.genesis.producers[1].key, kit.chain_id)
    with pytest.raises(BadBatch, match="BAD_PAYLOAD_HASH"):
        check_batch(Batch(batch.header, batch.signature, batch.payload[:-1] + b"!"), key, kit.chain_id)


def test_a_batch_beyond_its_bounds_is_not_sealed():
    kit = ChainKit()
    for transactions in ([], [b""] * (batches.BATCH_TX_MAX + 1), [bytes(batches.BATCH_BYTES_MAX)]):
        with pytest.raises(BadBatch):
            seal(kit.validators[0], kit.chain_id, 1, 1, bytes(32), transactions, 0)


def test_the_cursors_root_does_not_depend_on_the_order_of_the_table():
    one, two = (1, (3, b"\x01" * 32)), (2, (5, b"\x02" * 32))
    assert headers.cursors_root(dict([one, two])) == headers.cursors_root(dict([two, one]))
    assert headers.cursors_root(dict([one])) != headers.cursors_root(dict([two]))


def test_a_reader_gives_what_is_there_and_refuses_the_rest():
    reader = Reader(b"\x01\x00\x02\x00\x00\x00\x03rest")
    assert (reader.u8(), reader.u16(), reader.u32(), reader.rest()) == (1, 2, 3, b"rest")
    reader.finish()
    with pytest.raises(Malformed):
        reader.u8()
    with pytest.raises(Malformed):
        Reader(b"x").finish()


def genesis_with(**changes):
    value = json.loads(SAMPLES["genesis"].encode(SAMPLES["genesis"].value))
    value.update(changes)
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def test_a_genesis_that_leaves_something_out_or_repeats_it_is_refused():
    value = json.loads(genesis_with())
    first = value["validators"][0]
    load = SAMPLES["genesis"].decode
    load(genesis_with())
    assert load(genesis_with(approvers=[])).approvers == ()
    refused = [
        genesis_with() + b" ",
        genesis_with(parameters={}),
        genesis_with(unknown=1),
        genesis_with(validators=[]),
        genesis_with(validators=[first, first]),
        genesis_with(validators=[first | {"public_key": "00" * 32}]),
        genesis_with(validators=[first | {"weight": 0}]),
        genesis_with(producers=[value["producers"][0] | {"role": "god"}]),
        genesis_with(producers=[value["producers"][0] | {"public_key": first["public_key"]}]),
        genesis_with(floats=value["floats"] * 2),
        genesis_with(approvers=value["approvers"] * 2),
        genesis_with(approvers=[first["public_key"]]),
        genesis_with(approvers=["00" * 32]),
        genesis_with(approvers=["no key"]),
    ]
    for raw in refused:
        with pytest.raises(BadGenesis):
            load(raw)


def test_a_genesis_knows_its_producers_and_its_committee():
    genesis = SAMPLES["genesis"].value
    assert genesis.producer(1).name == "contract-api"
    assert genesis.producer(99) is None
    assert [seat.index for seat in genesis.committee().validators] == [0, 1, 2, 3]
