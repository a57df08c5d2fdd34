"""A certified record is still refused when it says what cannot be; a full quorum signs every header here."""

import msgspec
import pytest
from chain_kit import API, ChainKit

from sps.chain.batch import BATCH_BYTES_MAX
from sps.chain.block import BadBlock, Committed, check_refs, verify_committed
from sps.chain.header import BLOCK_BYTES_MAX, REFS_MAX, BatchRef, batches_root

replace = msgspec.structs.replace


def reason(kit, committed):
    with pytest.raises(BadBlock) as caught:
        verify_committed(committed, kit.committee, kit.chain_id)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chain_id": bytes(32)}, "another chain"),
        ({"epoch": 2}, "another committee"),
        ({"committee_hash": bytes(32)}, "another committee"),
        ({"height": 0}, "height or proposer"),
        ({"proposer": 4}, "height or proposer"),
        ({"batch_count": 2}, "number of references"),
        ({"batch_count": 0}, "number of references"),
        ({"tx_count": 2}, "number of transactions"),
        ({"batches_root": bytes(32)}, "batches_root"),
    ],
)
def test_a_header_that_cannot_be_is_refused_by_name(changes, message):
    kit = ChainKit()
    batches = [kit.batch(API, [b"one"])]
    assert message in reason(kit, kit.committed(kit.header(batches, **changes), batches))


def test_a_finalization_must_be_about_the_place_of_its_block():
    kit = ChainKit()
    header = kit.header()
    for changes in ({"view": 9}, {"height": 9}):
        moved = kit.certify(replace(header, **changes))
        named = replace(moved, block_id=kit.certify(header).block_id)
        assert "another height, view or epoch" in reason(kit, Committed(header, (), (), named))


def chained(kit, **changes):
    """A block, and a child that is bent; the child is finalized."""
    first = kit.block()
    child = kit.header(**changes)
    return Committed(first.header, (), (child,), kit.certify(child))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parent_id": bytes(32)}, "descendants is broken"),
        ({"parent_view": 0}, "descendants is broken"),
        ({"height": 3}, "does not come after"),
        ({"view": 1}, "does not come after"),
        ({"time_ms": 1}, "does not come after"),
        ({"epoch": 2}, "another committee"),
    ],
)
def test_a_descendant_that_does_not_follow_is_refused_by_name(changes, message):
    kit = ChainKit()
    assert message in reason(kit, chained(kit, **changes))


def test_a_descendant_that_follows_makes_the_block_final():
    kit = ChainKit()
    verify_committed(chained(kit), kit.committee, kit.chain_id)


def test_the_number_of_descendants_is_bounded():
    kit = ChainKit()
    first = kit.block()
    headers = tuple(kit.block().header for _ in range(257))
    allowed = Committed(first.header, (), headers[:256], kit.certify(headers[255]))
    verify_committed(allowed, kit.committee, kit.chain_id)
    assert "more than 256" in reason(kit, Committed(first.header, (), headers, kit.certify(headers[-1])))


def referring(kit, refs):
    """A header that tells the truth about these references."""
    return replace(
        kit.header(),
        batches_root=batches_root(refs),
        batch_count=len(refs),
        tx_count=sum(ref.tx_count for ref in refs),
    )


def test_the_number_and_the_size_of_referenced_batches_are_bounded():
    kit = ChainKit()
    small = tuple(BatchRef(1, seq, bytes(32), bytes(32), 1, 10) for seq in range(REFS_MAX + 1))
    check_refs(referring(kit, small[:REFS_MAX]), small[:REFS_MAX])
    with pytest.raises(BadBlock, match="number of references"):
        check_refs(referring(kit, small), small)
    full = BLOCK_BYTES_MAX // BATCH_BYTES_MAX
    large = tuple(BatchRef(1, seq, bytes(32), bytes(32), 1, BATCH_BYTES_MAX) for seq in range(full + 1))
    check_refs(referring(kit, large[:full]), large[:full])
    with pytest.raises(BadBlock, match="larger than a block"):
        check_refs(referring(kit, large), large)
