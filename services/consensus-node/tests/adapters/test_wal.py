# ruff: noqa: ASYNC240 a test waits for its own small files
"""The write-ahead log against torn writes, flipped bits and removal."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consensus_node.adapters.disk import DiskThread
from consensus_node.adapters.frames import AppendFile, Damaged
from consensus_node.adapters.wal import Wal
from consensus_node.core.durable import EpochBegun, Finalized, Record, VoteCast
from sps.chain.vote import Vote, VoteKind
from sps.runtime.errors import Defect

CHAIN = bytes(range(32))
KEY = bytes(range(32, 64))


def vote(view: int) -> VoteCast:
    return VoteCast(Vote(2, VoteKind.NOTARIZE, 1, view, view, bytes([view % 251]) * 32, bytes([7]) * 64))


RECORDS: tuple[Record, ...] = (EpochBegun(1, CHAIN), vote(1), vote(2), Finalized(1, 1, KEY), vote(3))


@pytest.fixture
async def disk() -> AsyncIterator[DiskThread]:
    thread = DiskThread("test-wal")
    yield thread
    await thread.stop()


def opened(
    folder: Path, disk: DiskThread, segment_bytes: int = 1024 * 1024
) -> tuple[Wal, tuple[Record, ...]]:
    wal = Wal(folder, CHAIN, KEY, segment_bytes)
    return wal, wal.open(disk)


async def written(folder: Path, disk: DiskThread) -> tuple[Path, list[int]]:
    """A log of RECORDS, and the size of its file after each record."""
    wal, found = opened(folder, disk)
    assert found == ()
    path = folder / "wal-00000001.log"
    sizes = [path.stat().st_size]
    for record in RECORDS:
        await wal.append([record], sync=True)
        sizes.append(path.stat().st_size)
    wal.close()
    return path, sizes


async def test_what_was_appended_is_read_again_in_order(tmp_path: Path, disk: DiskThread) -> None:
    await written(tmp_path, disk)
    wal, found = opened(tmp_path, disk)
    assert found == RECORDS
    await wal.append([vote(4)], sync=True)
    wal.close()
    assert opened(tmp_path, disk)[1] == (*RECORDS, vote(4))


async def test_a_log_cut_at_any_byte_gives_the_whole_records_before_it(
    tmp_path: Path, disk: DiskThread
) -> None:
    path, sizes = await written(tmp_path, disk)
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        wal, found = opened(tmp_path, disk)
        assert found == RECORDS[: sum(end <= size for end in sizes[1:])]
        await wal.append([vote(9)], sync=True)
        wal.close()
        wal, again = opened(tmp_path, disk)
        assert again == (*found, vote(9))
        wal.close()


async def test_blocks_that_were_never_written_count_as_torn(tmp_path: Path, disk: DiskThread) -> None:
    path, sizes = await written(tmp_path, disk)
    whole = path.read_bytes()
    for size in range(sizes[-2], len(whole) - 4):
        path.write_bytes(whole[:size] + bytes(len(whole) - size))
        wal, found = opened(tmp_path, disk)
        assert found == RECORDS[:-1]
        wal.close()


async def test_a_flipped_bit_anywhere_is_damage_that_names_the_file(tmp_path: Path, disk: DiskThread) -> None:
    path, _ = await written(tmp_path, disk)
    whole = path.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        with pytest.raises(Damaged, match=r"wal-00000001\.log"):
            opened(tmp_path, disk)
        assert path.read_bytes() == changed


async def test_any_flipped_bit_of_a_last_length_is_damage_too(tmp_path: Path, disk: DiskThread) -> None:
    path, sizes = await written(tmp_path, disk)
    whole = path.read_bytes()
    for place in range(sizes[-2] * 8, (sizes[-2] + 5) * 8):
        changed = bytearray(whole)
        changed[place // 8] ^= 1 << place % 8
        path.write_bytes(changed)
        with pytest.raises(Damaged):
            opened(tmp_path, disk)


async def test_a_log_of_another_chain_or_key_is_refused(tmp_path: Path, disk: DiskThread) -> None:
    await written(tmp_path, disk)
    for chain, key in ((KEY, KEY), (CHAIN, CHAIN)):
        with pytest.raises(Damaged):
            Wal(tmp_path, chain, key).open(disk)


async def segments(folder: Path, disk: DiskThread) -> Wal:
    """A log of several small segments; views 1 to 30."""
    wal, _ = opened(folder, disk, segment_bytes=600)
    await wal.append([EpochBegun(1, CHAIN)], sync=True)
    for view in range(1, 31):
        await wal.append([vote(view), Finalized(view, view, KEY)], sync=True)
        await wal.forget(0)
    return wal


async def test_old_segments_go_and_the_newest_epoch_and_final_height_stay(
    tmp_path: Path, disk: DiskThread
) -> None:
    wal = await segments(tmp_path, disk)
    before = len(list(tmp_path.iterdir()))
    assert await wal.forget(31) > 0
    wal.close()
    assert len(list(tmp_path.iterdir())) < before
    _, found = opened(tmp_path, disk)
    assert EpochBegun(1, CHAIN) in found
    assert Finalized(30, 30, KEY) in found


async def test_no_record_at_or_above_the_view_is_forgotten(tmp_path: Path, disk: DiskThread) -> None:
    wal = await segments(tmp_path, disk)
    await wal.forget(17)
    wal.close()
    _, found = opened(tmp_path, disk)
    assert {vote(view) for view in range(17, 31)} <= set(found)


async def test_a_segment_goes_after_what_is_final_beyond_it_is_on_the_disk(
    tmp_path: Path, disk: DiskThread
) -> None:
    wal = await segments(tmp_path / "log", disk)
    await wal.append([Finalized(31, 31, KEY)], sync=False)
    assert await wal.forget(31) > 0
    shutil.copytree(tmp_path / "log", tmp_path / "killed")
    wal.close()
    _, found = opened(tmp_path / "killed", disk)
    assert Finalized(31, 31, KEY) in found


async def test_a_missing_segment_in_the_middle_is_damage(tmp_path: Path, disk: DiskThread) -> None:
    (await segments(tmp_path, disk)).close()
    names = sorted(tmp_path.iterdir())
    names[1].unlink()
    with pytest.raises(Damaged, match=names[1].name):
        opened(tmp_path, disk)


async def test_a_torn_end_is_forgiven_in_the_last_segment_only(tmp_path: Path, disk: DiskThread) -> None:
    (await segments(tmp_path, disk)).close()
    first = min(tmp_path.iterdir())
    first.write_bytes(first.read_bytes()[:-3])
    with pytest.raises(Damaged, match=first.name):
        opened(tmp_path, disk)


async def test_what_needs_no_sync_is_written_with_the_next_that_does(
    tmp_path: Path, disk: DiskThread
) -> None:
    wal, _ = opened(tmp_path, disk)
    await wal.append([vote(1)], sync=False)
    await wal.append([vote(2)], sync=True)
    wal.close()
    assert opened(tmp_path, disk)[1] == (vote(1), vote(2))


async def test_after_a_failed_sync_nothing_is_written_any_more(
    tmp_path: Path, disk: DiskThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    wal, _ = opened(tmp_path, disk)

    def fails(_fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.fdatasync", fails)
    with pytest.raises(Defect, match="cannot be written"):
        await wal.append([vote(1)], sync=True)
    monkeypatch.undo()
    with pytest.raises(Defect, match="failed before"):
        await wal.append([vote(2)], sync=True)
    wal.close()


async def test_a_sync_does_not_hold_the_loop(tmp_path: Path, disk: DiskThread) -> None:
    wal, _ = opened(tmp_path, disk)
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    turning = asyncio.create_task(turn())
    for view in range(1, 20):
        await wal.append([vote(view)], sync=True)
    turning.cancel()
    assert turns > 20
    wal.close()


async def test_an_append_file_reads_what_it_wrote_at_its_place(tmp_path: Path) -> None:
    file = AppendFile(tmp_path / "f", b"head")
    assert list(file.open()) == []
    file.close()
    with pytest.raises(Defect):
        file.append((b"x",))
