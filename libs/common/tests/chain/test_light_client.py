"""A light client believes what is final and nothing else, and stops at a fork."""

import msgspec
import pytest
from chain_kit import API, START_MS, ChainKit

from sps.chain import light_client
from sps.chain.block import BadBlock, Committed, verify_committed
from sps.chain.header import block_id
from sps.chain.light_client import Fork, LightClient
from sps.chain.vote import VoteKind

replace = msgspec.structs.replace


def grown(blocks=3):
    kit = ChainKit()
    for number in range(blocks):
        kit.block([kit.batch(API, [b"tx %d" % number])])
    return kit, LightClient(kit.genesis)


def bent(committed, **changes):
    return replace(committed, header=replace(committed.header, **changes))


def test_final_blocks_are_believed_in_any_order_and_again():
    kit, client = grown()
    for height in (2, 3, 1, 2):
        client.accept(kit.blocks[height])
    assert client.highest == kit.blocks[3].header
    assert client.block_id_at(2) == block_id(kit.blocks[2].header)
    assert client.block_id_at(9) is None


def test_a_block_is_final_by_the_finalization_of_a_descendant():
    kit, client = grown()
    first, second, third = (kit.blocks[height] for height in (1, 2, 3))
    client.accept(Committed(first.header, first.refs, (second.header, third.header), third.finalization))
    assert client.highest == third.header


@pytest.mark.parametrize(
    "changes",
    [
        {"chain_id": bytes(32)},
        {"epoch": 2},
        {"committee_hash": bytes(32)},
        {"view": 9},
        {"height": 0},
        {"height": 9},
        {"proposer": 4},
        {"time_ms": 1},
        {"app_hash": b"\x01" * 32},
        {"batches_root": bytes(32)},
        {"batch_count": 2},
        {"tx_count": 2},
    ],
)
def test_a_bent_header_is_refused_even_when_signed_again_by_too_few(changes):
    kit, client = grown()
    made = bent(kit.blocks[2], **changes)
    resigned = replace(made, finalization=kit.certify(made.header, signers=[0, 1]))
    for forged in (made, resigned):
        with pytest.raises(BadBlock):
            client.accept(forged)
    assert client.highest is None


def test_the_references_must_be_the_headers_own():
    kit, client = grown()
    block = kit.blocks[2]
    other = kit.blocks[1].refs[0]
    swollen = replace(block.refs[0], tx_root=bytes(32))
    for refs in ((), (other,), (swollen,), block.refs * 2, block.refs * 300):
        with pytest.raises(BadBlock):
            client.accept(replace(block, refs=refs))


@pytest.mark.parametrize("changes", [{"payload_len": 600_000}, {"tx_count": 0}, {"tx_count": 5_000}])
def test_a_reference_out_of_bounds_is_refused_even_when_a_quorum_signed_it(changes):
    kit, client = grown(0)
    ref = replace(ChainKit().block([ChainKit().batch(API, [b"x"])]).refs[0], **changes)
    header = kit.header()
    header = replace(header, batch_count=1, tx_count=ref.tx_count)
    with pytest.raises(BadBlock, match="bounds"):
        client.accept(Committed(header, (ref,), (), kit.certify(header)))


def test_a_certificate_of_another_kind_block_or_too_few_is_refused():
    kit, client = grown()
    block = kit.blocks[2]
    certificates = (
        kit.certify(block.header, VoteKind.NOTARIZE),
        kit.certify(block.header, signers=[0, 1]),
        kit.blocks[1].finalization,
        replace(block.finalization, view=1),
        replace(block.finalization, height=1),
        replace(block.finalization, epoch=2),
    )
    for certificate in certificates:
        with pytest.raises(BadBlock):
            client.accept(replace(block, finalization=certificate))


def test_a_broken_chain_of_descendants_is_refused():
    kit, client = grown(4)
    first, second, third, fourth = (kit.blocks[height].header for height in (1, 2, 3, 4))
    refs = kit.blocks[1].refs
    chains = [
        (third,),
        (second, fourth),
        (third, second),
        (first, second),
        (replace(second, parent_view=0),),
        (replace(second, height=3),),
        (replace(second, view=first.view),),
        (replace(second, time_ms=first.time_ms),),
        (replace(second, chain_id=bytes(32)),),
        (replace(second, committee_hash=bytes(32)),),
    ]
    for chain in chains:
        with pytest.raises(BadBlock):
            client.accept(Committed(first, refs, chain, kit.certify(chain[-1])))
    with pytest.raises(BadBlock, match="descendants"):
        client.accept(Committed(first, refs, (second,) * 257, kit.certify(second)))


def test_two_certified_blocks_at_one_height_are_a_fork():
    kit, client = grown()
    client.accept(kit.blocks[2])
    other = replace(kit.blocks[2].header, app_hash=b"\x01" * 32)
    with pytest.raises(Fork):
        client.accept(Committed(other, kit.blocks[2].refs, (), kit.certify(other)))
    assert client.block_id_at(2) == block_id(kit.blocks[2].header)


@pytest.mark.parametrize(("known", "height"), [(1, 2), (3, 2)])
def test_a_certified_block_that_does_not_join_its_neighbour_is_a_fork(known, height):
    kit, client = grown()
    client.accept(kit.blocks[known])
    other = replace(kit.blocks[height].header, parent_id=b"\x01" * 32, app_hash=b"\x01" * 32)
    with pytest.raises(Fork):
        client.accept(Committed(other, kit.blocks[height].refs, (), kit.certify(other)))


def test_the_first_block_joins_the_genesis():
    kit, client = grown(0)
    header = kit.header(parent_id=bytes(32))
    with pytest.raises(Fork):
        client.accept(kit.committed(header))


def test_a_chain_that_conflicts_with_a_checkpoint_is_refused():
    kit, _ = grown()
    client = LightClient(kit.genesis, checkpoints={2: bytes(32)})
    client.accept(kit.blocks[1])
    for height in (2, 3):
        with pytest.raises(Fork):
            client.accept(kit.blocks[height])


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(light_client, "KEPT_HEIGHTS_MAX", 2)
    kit, client = grown(4)
    for height in range(1, 5):
        client.accept(kit.blocks[height])
    assert [client.block_id_at(height) is None for height in range(1, 5)] == [True, True, False, False]


def test_now_is_known_only_while_the_newest_block_is_young():
    kit, client = grown(1)
    assert not client.is_fresh(START_MS)
    client.accept(kit.blocks[1])
    time = kit.blocks[1].header.time_ms
    assert client.is_fresh(time + 19_999)
    assert not client.is_fresh(time + 20_000)


def test_a_committed_block_verifies_by_itself():
    kit, _ = grown()
    for block in kit.blocks.values():
        verify_committed(block, kit.committee, kit.chain_id)
    with pytest.raises(BadBlock):
        verify_committed(kit.blocks[1], kit.committee, bytes(32))
