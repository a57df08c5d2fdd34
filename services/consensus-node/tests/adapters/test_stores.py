"""Blocks and batches on disk: indexes rebuilt, torn ends cut, damage named, reads bounded."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from chain_kit import API, CARRIER, ChainKit

from consensus_node.adapters import frames
from consensus_node.adapters.batch_store import BatchStore
from consensus_node.adapters.block_store import READ_BYTES_MAX, BlockStore
from consensus_node.adapters.disk import DiskThread
from consensus_node.adapters.frames import AppendFile, Damaged, encode_frame
from consensus_node.adapters.offsets import Offsets
from sps.chain.batch import digest
from sps.chain.block import encode_committed
from sps.runtime.errors import Defect


@pytest.fixture
async def disk() -> AsyncIterator[DiskThread]:
    thread = DiskThread("test-data")
    yield thread
    await thread.stop()


def chain(length: int = 5) -> ChainKit:
    kit = ChainKit()
    for number in range(length):
        kit.block([kit.batch(API, [b"%d" % number])])
    return kit


async def stored(kit: ChainKit, path: Path, disk: DiskThread) -> BlockStore:
    store = BlockStore(path, kit.chain_id)
    store.open(disk)
    for height in sorted(kit.blocks):
        store.append(kit.blocks[height])
    await store.sync()
    return store


async def test_blocks_are_found_by_height_after_a_restart(tmp_path: Path, disk: DiskThread) -> None:
    kit = chain()
    (await stored(kit, tmp_path / "b", disk)).close()
    store = BlockStore(tmp_path / "b", kit.chain_id)
    store.open(disk)
    assert store.height == 5
    assert [store.block(height) for height in range(1, 6)] == [kit.blocks[height] for height in range(1, 6)]
    store.close()


async def test_a_block_store_has_no_gaps(tmp_path: Path, disk: DiskThread) -> None:
    kit = chain()
    store = await stored(kit, tmp_path / "b", disk)
    for height in (4, 5):
        with pytest.raises(Defect):
            store.append(kit.blocks[height])
    store.close()


async def test_a_block_store_cut_at_any_byte_keeps_the_whole_blocks_before_it(
    tmp_path: Path, disk: DiskThread
) -> None:
    kit = chain(2)
    path = tmp_path / "b"
    (await stored(kit, path, disk)).close()
    whole = path.read_bytes()
    first = len(whole) - len(encode_committed(kit.blocks[2])) - 9
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        store = BlockStore(path, kit.chain_id)
        store.open(disk)
        assert store.height == (1 if size >= first else 0)
        store.append(kit.blocks[store.height + 1])
        assert store.block(store.height) == kit.blocks[store.height]
        store.close()


async def test_damage_in_the_middle_is_named(tmp_path: Path, disk: DiskThread) -> None:
    kit = chain()
    path = tmp_path / "blocks.log"
    (await stored(kit, path, disk)).close()
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    with pytest.raises(Damaged, match=r"blocks\.log"):
        BlockStore(path, kit.chain_id).open(disk)


async def test_reads_of_records_are_bounded(tmp_path: Path, disk: DiskThread) -> None:
    kit = chain()
    store = await stored(kit, tmp_path / "b", disk)
    assert list(store.records(2, 2)) == [encode_committed(kit.blocks[height]) for height in (2, 3)]
    assert list(store.records(6, 10)) == []
    assert len(store.records(5, 100)) == 1
    assert READ_BYTES_MAX < 8 * 1024 * 1024
    store.close()


async def test_a_run_of_records_is_what_was_stored_wherever_it_begins_and_ends(
    tmp_path: Path, disk: DiskThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = chain(9)
    store = await stored(kit, tmp_path / "b", disk)
    raws = {height: encode_committed(block) for height, block in kit.blocks.items()}
    for piece in (frames.READ_BYTES, 1_500):  # a frame may end in the next piece that is read
        monkeypatch.setattr(frames, "READ_BYTES", piece)
        for first in range(11):
            for limit in range(1, 12):
                heights = range(max(first, 1), min(first + limit, 10))
                assert store.records(first, limit) == [raws[height] for height in heights]
    store.close()
    monkeypatch.setattr(frames, "READ_BYTES", 1_500)
    again = BlockStore(tmp_path / "b", kit.chain_id)
    again.open(disk)
    assert again.records(1, 20) == list(raws.values())
    again.close()


async def test_a_run_of_records_stops_at_damage_and_names_it(tmp_path: Path, disk: DiskThread) -> None:
    store = await stored(chain(6), tmp_path / "b", disk)
    raw = bytearray((tmp_path / "b").read_bytes())
    raw[len(raw) // 2] ^= 1
    (tmp_path / "b").write_bytes(raw)
    with pytest.raises(Damaged, match="damaged at byte"):
        store.records(1, 6)
    store.close()


async def test_a_file_of_blocks_that_skips_a_height_is_damaged(tmp_path: Path, disk: DiskThread) -> None:
    kit = chain(3)
    file = AppendFile(tmp_path / "b", b"SPSBLK1\n" + kit.chain_id)
    assert not list(file.open())
    file.append(encode_frame(1, encode_committed(kit.blocks[height])) for height in (1, 3))
    file.close()
    with pytest.raises(Damaged):
        BlockStore(tmp_path / "b", kit.chain_id).open(disk)


async def test_batches_are_found_by_digest_after_a_restart(tmp_path: Path, disk: DiskThread) -> None:
    kit = ChainKit()
    batches = [kit.batch(producer, [b"%d" % n]) for n in range(3) for producer in (API, CARRIER)]
    store = BatchStore(tmp_path / "b", kit.chain_id)
    store.open(disk)
    for batch in (*batches, *batches):
        store.append(digest(batch.header), batch)
    await store.sync()
    store.close()
    again = BatchStore(tmp_path / "b", kit.chain_id)
    again.open(disk)
    assert len(again) == 6
    assert [name for name, _ in again.stored()] == [digest(batch.header) for batch in batches]
    assert all(again.batch(digest(batch.header)) == batch for batch in batches)
    assert again.record(bytes(32)) is None
    assert bytes(32) not in again
    again.close()


async def test_offsets_survive_and_garbage_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "offsets.json"
    offsets = Offsets(path)
    offsets.load()
    offsets.put("t", 3, 17)
    offsets.save()
    again = Offsets(path)
    again.load()
    assert (again.get("t", 3), again.get("t", 4)) == (17, 0)
    for garbage in (b"", b"[1]", b'{"t/3": -1}', b'{"t/3": true}', b"\xff\xfe"):
        path.write_bytes(garbage)
        again.load()
        assert again.get("t", 3) == 0
