"""The embedded log alone: files, processes, threads, retention, trouble."""

import asyncio
import signal
import sqlite3
import sys
import textwrap
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from sps.eventlog.conformance import values
from sps.eventlog.embedded import EmbeddedLog
from sps.eventlog.lane import READ_BYTES_MAX, TAIL_RECORDS_MAX
from sps.eventlog.port import LogRefused, LogTrouble, NewRecord
from sps.eventlog.topics import BLOCKS, CONSENSUS, RECORD_BYTES_MAX, TOPICS, Topic

PATIENCE_S = 20.0

WRITER = """
    import asyncio, sys
    from pathlib import Path
    from sps.eventlog.embedded import EmbeddedLog
    from sps.eventlog.port import NewRecord
    from sps.eventlog.topics import BLOCKS

    async def main() -> None:
        log = EmbeddedLog(Path(sys.argv[1]))
        await log.start()
        async def write(name: int) -> None:
            for number in range(int(sys.argv[2])):
                value = f"{name}:{number}"
                await log.append(BLOCKS, 0, [NewRecord(b"", value.encode())])
                print(value, flush=True)
        await asyncio.gather(*(write(name) for name in range(4)))
        await log.stop()

    asyncio.run(main())
"""


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Look again and again, within the patience."""
    deadline = time.monotonic() + PATIENCE_S
    while not await holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def writer_process(path: Path, count: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(WRITER), str(path), str(count), stdout=asyncio.subprocess.PIPE
    )


@pytest.mark.slow
async def test_a_killed_writer_leaves_every_acknowledged_record(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    for round_ in range(3):
        process = await writer_process(path, 100_000)
        assert process.stdout is not None
        acknowledged = [(await process.stdout.readline()).decode().strip() for _ in range(60 + 40 * round_)]
        process.send_signal(signal.SIGKILL)
        rest = await process.stdout.read()
        await process.wait()
        acknowledged += [line for line in rest.decode().split("\n")[:-1] if line]
        log = EmbeddedLog(path)
        await log.start()
        found = await values(log, BLOCKS, 0)
        await log.stop()
        missing = set(acknowledged) - set(found)
        assert not missing


@pytest.mark.slow
async def test_two_processes_share_one_file_and_wake_each_other(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log = EmbeddedLog(path)
    await log.start()
    process = await writer_process(path, 30)
    for number in range(30):
        await log.append(BLOCKS, 0, [NewRecord(b"", f"here:{number}".encode())])
    seen: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(seen) < 150:
            records = await log.read(BLOCKS, 0, len(seen), wait_s=1.0)
            seen += [record.value.decode() for record in records]
        await process.communicate()
    for name in ("0", "1", "2", "3", "here"):
        assert [value for value in seen if value.startswith(f"{name}:")] == [f"{name}:{n}" for n in range(30)]
    await log.stop()


async def test_two_first_starts_at_once_make_one_log(tmp_path: Path) -> None:
    logs = [EmbeddedLog(tmp_path / "log.db") for _ in range(4)]
    await asyncio.gather(*(log.start() for log in logs))
    for log in logs:
        await log.append(BLOCKS, 0, [NewRecord(b"", b"x")])
    assert await logs[0].bounds(BLOCKS, 0) == (0, 4)
    for log in logs:
        await log.stop()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE topic SET partitions = 6 WHERE name = 'sps.blocks.v1'", "stored 6 partitions"),
        ("UPDATE topic SET retention_ms = 5 WHERE name = 'sps.blocks.v1'", "kept 5 ms"),
        ("INSERT INTO topic VALUES ('sps.newer.v9', 1, 'x', NULL)", "sps.newer.v9"),
    ],
)
async def test_a_file_whose_topics_differ_is_refused_with_the_difference(
    tmp_path: Path, change: str, says: str
) -> None:
    path = tmp_path / "log.db"
    log = EmbeddedLog(path)
    await log.start()
    await log.stop()
    with sqlite3.connect(path) as connection:
        connection.execute(change)
    connection.close()
    with pytest.raises(LogRefused, match=says):
        await EmbeddedLog(path).start()


async def test_a_new_topic_is_added_to_an_old_file(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log = EmbeddedLog(path)
    await log.start()
    await log.append(BLOCKS, 0, [NewRecord(b"", b"old")])
    await log.stop()
    log = EmbeddedLog(path, topics={**TOPICS, "sps.more.v1": Topic("sps.more.v1", 2, "x", "more")})
    await log.start()
    assert await log.append("sps.more.v1", 1, [NewRecord(b"", b"new")]) == 0
    assert await values(log, BLOCKS, 0) == ["old"]
    await log.stop()


async def test_a_file_that_is_no_database_is_trouble(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    path.write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(LogTrouble):
        await EmbeddedLog(path).start()


async def test_a_read_stops_after_its_bytes(tmp_path: Path) -> None:
    log = EmbeddedLog(tmp_path / "log.db")
    await log.start()
    for _ in range(12):
        await log.append(BLOCKS, 0, [NewRecord(b"", bytes(RECORD_BYTES_MAX))])
    records = await log.read(BLOCKS, 0, 0)
    assert sum(len(record.value) for record in records) <= READ_BYTES_MAX + RECORD_BYTES_MAX
    assert len(records) < 12
    await log.stop()


async def test_a_reader_far_behind_reads_from_the_file(tmp_path: Path) -> None:
    log = EmbeddedLog(tmp_path / "log.db")
    await log.start()
    count = TAIL_RECORDS_MAX * 2
    await log.append(BLOCKS, 0, [NewRecord(b"", str(number).encode()) for number in range(count)])
    assert await values(log, BLOCKS, 0) == [str(number) for number in range(count)]
    await log.stop()


async def test_expired_records_are_removed_and_only_in_topics_with_retention(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sps.eventlog.embedded_threads.KEEPER_S", 0.01)
    monkeypatch.setattr("sps.eventlog.embedded_threads.RETENTION_EVERY", 1)
    now = [1_000_000]
    log = EmbeddedLog(tmp_path / "log.db", now_ms=lambda: now[0])
    await log.start()
    for topic in (CONSENSUS, BLOCKS):
        await log.append(topic, 0, [NewRecord(b"", b"old")] * 3)
    retention_ms = TOPICS[CONSENSUS].retention_ms
    assert retention_ms is not None
    now[0] += retention_ms + 1
    await log.append(CONSENSUS, 0, [NewRecord(b"", b"new")])

    async def trimmed() -> bool:
        return await log.bounds(CONSENSUS, 0) == (3, 4)

    await eventually(trimmed)
    assert await log.bounds(BLOCKS, 0) == (0, 3)
    await log.stop()


async def test_a_locked_file_is_trouble_within_the_deadline(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log = EmbeddedLog(path, deadline_s=0.2)
    await log.start()
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(LogTrouble, match="within"):
            await log.append(BLOCKS, 0, [NewRecord(b"", b"x")])
        assert time.monotonic() - began < 2.0
        other.execute("ROLLBACK")
    other.close()
    await log.stop()


async def test_a_cancelled_append_hurts_nobody(tmp_path: Path) -> None:
    log = EmbeddedLog(tmp_path / "log.db")
    await log.start()
    task = asyncio.create_task(log.append(BLOCKS, 0, [NewRecord(b"", b"x")]))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await log.append(BLOCKS, 0, [NewRecord(b"", b"y")])
    assert (await values(log, BLOCKS, 0))[-1] == "y"
    await log.stop()


async def test_the_keeper_copies_the_wal_into_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sps.eventlog.embedded_threads.KEEPER_S", 0.01)
    monkeypatch.setattr("sps.eventlog.embedded_threads.CHECKPOINT_BYTES", 0)
    path = tmp_path / "log.db"
    log = EmbeddedLog(path)
    await log.start()
    before = path.stat().st_size
    await log.append(BLOCKS, 0, [NewRecord(b"", bytes(500_000))])

    async def copied() -> bool:
        return path.stat().st_size >= before + 400_000

    await eventually(copied)
    await log.stop()
