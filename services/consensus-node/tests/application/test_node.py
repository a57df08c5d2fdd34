"""Four whole nodes with real signatures, real disks and an event log: start, crash, restart, catch up."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from chain_kit import make_genesis
from node_kit import PRODUCER_ID, QUICK, Crash, Town, eventually

from consensus_node.adapters.frames import AppendFile, Damaged
from consensus_node.application.executor import LOOK_AGAIN_S
from consensus_node.bootstrap import _peer_urls, _who, bootstrap
from sps.eventlog.embedded import EmbeddedLog
from sps.eventlog.memory import MemoryLog, MemoryStore
from sps.eventlog.port import EventLog, LogRefused, NewRecord
from sps.eventlog.topics import BLOCKS, CONSENSUS, TRANSACTIONS
from sps.runtime.errors import Refusal
from sps.runtime.keys import load_or_create_seed
from sps.runtime.probe import Probe


@pytest.fixture
async def log() -> AsyncIterator[MemoryLog]:
    made = MemoryLog()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def town(tmp_path: Path, log: MemoryLog) -> AsyncIterator[Town]:
    made = Town(tmp_path, log)
    yield made
    await made.down()


@pytest.fixture
def power_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on closing a file loses what was not synced."""
    close = AppendFile.close

    def cut(file: AppendFile) -> None:
        if file._fd >= 0:
            with file.path.open("r+b") as raw:
                raw.truncate(file.synced)
        close(file)

    monkeypatch.setattr(AppendFile, "close", cut)


@pytest.mark.parametrize("adapter", ["memory", "embedded"])
async def test_four_nodes_finalize_and_execute_batches_alike(adapter: str, tmp_path: Path) -> None:
    log: EventLog = MemoryLog() if adapter == "memory" else EmbeddedLog(tmp_path / "log.db")
    await log.start()
    town = Town(tmp_path, log)
    await town.all_up()
    for number in range(20):
        await town.send(b"%d" % number, b"x")
    assert len(await town.agree(40)) == 1
    await town.down()
    await log.stop()


async def test_a_single_validator_is_a_chain_of_its_own(tmp_path: Path, log: MemoryLog) -> None:
    town = Town(tmp_path, log, make_genesis(1, QUICK))
    await town.all_up()
    await town.send(b"a")
    assert len(await town.agree(1)) == 1
    await town.down()


async def test_three_of_four_go_on_and_the_fourth_catches_up_from_the_topic(town: Town) -> None:
    await town.all_up()
    await town.send(b"1")
    await town.agree(1)
    await town.down(2)
    for number in range(5):
        await town.send(b"while away %d" % number)
    await town.agree(6)
    await town.up(2)
    assert len(await town.agree(6)) == 1


async def test_all_four_stop_and_go_on_where_they_were(town: Town) -> None:
    await town.all_up()
    await town.send(b"1")
    before = await town.agree(1)
    await town.down()
    await town.all_up()
    await town.send(b"2")
    after = await town.agree(2)
    assert min(after)[0] > min(before)[0]


async def trim_everything(log: MemoryLog) -> None:
    for topic, partition in ((BLOCKS, 0), (TRANSACTIONS, PRODUCER_ID), (CONSENSUS, 0)):
        await log.trim(topic, partition, (await log.bounds(topic, partition))[1])


async def test_a_node_that_the_topics_left_behind_catches_up_from_peers(town: Town, log: MemoryLog) -> None:
    await town.all_up()
    await town.send(b"1")
    await town.agree(1)
    before = town.nodes[1].final_height
    await town.down(1)
    for number in range(5):
        await town.send(b"while away %d" % number)
    await town.agree(6)
    missed = town.full_blocks(town.nodes[0], before)  # several batches may stand in one block
    await trim_everything(log)
    urls = [f"http://127.0.0.1:{town.nodes[index].port}" for index in (0, 2, 3)]
    await town.up(1, peers=urls)
    assert len(await town.agree(6)) == 1
    await town.send(b"together again")
    await town.agree(7)
    metrics = town.nodes[1]._driver._metrics.registry
    for what, count in (("block", missed), ("batch", 5)):
        assert (metrics.get_sample_value("sps_consensus_fetched_total", {"what": what}) or 0) >= count > 0


async def test_a_node_that_lacks_many_batches_does_not_wait_between_them(town: Town, log: MemoryLog) -> None:
    """Forty blocks with a batch each: it once took a look of the executor for every one of them."""
    await town.all_up()
    await town.down(1)
    for number in range(1, 41):
        await town.send(b"while away %d" % number)
        await town.agree(number)
    await trim_everything(log)
    urls = [f"http://127.0.0.1:{town.nodes[index].port}" for index in (0, 2, 3)]
    await town.up(1, peers=urls)
    await eventually(lambda: town.nodes[1].final_height == town.nodes[0].final_height, town.report)
    began = time.monotonic()
    await town.agree(40)
    assert time.monotonic() - began < 40 * LOOK_AGAIN_S / 4


async def test_an_observer_with_an_empty_disk_follows_from_peers(town: Town, log: MemoryLog) -> None:
    await town.all_up()
    await town.send(b"1")
    await town.agree(1)
    await trim_everything(log)
    await town.down(3)
    shutil.rmtree(town.folder / "v3")
    urls = ["http://127.0.0.1:9", f"http://127.0.0.1:{town.nodes[0].port}"]
    observer = await town.up(3, peers=urls, observer=True)
    await town.agree(1)
    await town.send(b"2")
    await town.agree(2)
    assert "observer" in observer.name


class ReadOnly(MemoryLog):
    """The log as a broker shows it to somebody without the right to write."""

    async def append(self, topic: str, partition: int, records: Sequence[NewRecord]) -> int:
        raise LogRefused(f"not allowed to write to {topic}")


async def test_a_stranger_follows_without_a_seat_and_without_the_right_to_write(
    tmp_path: Path,
) -> None:
    store = MemoryStore()
    log, readable = MemoryLog(store), ReadOnly(store)
    await log.start()
    await readable.start()
    town = Town(tmp_path, log)
    await town.all_up()
    await town.send(b"1")
    await town.agree(1)
    key = town.folder / "stranger.key"
    load_or_create_seed(key)
    settings = town.settings(0, peers=(f"http://127.0.0.1:{town.nodes[2].port}",), observer=True)
    follower = await bootstrap(settings.model_copy(update={"key": key, "data": tmp_path / "s"}), log=readable)
    await follower.start()
    try:
        assert follower.name == "consensus-node-follower-observer"
        await town.send(b"2")
        await town.agree(2)
        await eventually(lambda: follower.executed == town.nodes[0].executed, town.report)
        await eventually(follower.ready, town.report)
    finally:
        await follower.stop()
        await town.down()
        await log.stop()
        await readable.stop()


def test_a_stranger_asks_all_validators_and_a_validator_all_others(town: Town) -> None:
    def asked(key: Path, *, observer: bool) -> tuple[str, ...]:
        settings = town.settings(0, observer=observer).model_copy(update={"key": key, "peers": None})
        return _peer_urls(settings, _who(settings))

    stranger = town.folder / "stranger.key"
    load_or_create_seed(stranger)
    urls = tuple(member.url for member in town.genesis.validators)
    assert len(set(urls)) == len(urls)
    assert asked(stranger, observer=True) == urls
    assert asked(town.folder / "v1.key", observer=False) == (urls[0], *urls[2:])


async def test_garbage_on_every_topic_is_counted_and_passed_over(town: Town, log: MemoryLog) -> None:
    await town.all_up()
    for topic, partition in ((BLOCKS, 0), (TRANSACTIONS, PRODUCER_ID), (TRANSACTIONS, 7), (CONSENSUS, 0)):
        for garbage in (b"", b"\x00" * 300, b"\x02" + b"\xff" * 500, bytes(range(256)) * 8):
            await log.append(topic, partition, [NewRecord(b"", garbage)])
    await town.send(b"1")
    await town.agree(1)
    metrics = town.nodes[0]._driver._metrics.registry
    for what in ("batch", "block", "message"):
        assert (metrics.get_sample_value("sps_consensus_refused_total", {"what": what}) or 0) >= 1


async def test_a_batch_with_a_bad_signature_or_of_a_stranger_is_not_stored(
    town: Town, log: MemoryLog
) -> None:
    await town.all_up()
    good = town.batch([b"1"])
    forged = good.payload[:-1] + b"2"
    raw = bytes(128) + good.signature + forged
    await log.append(TRANSACTIONS, PRODUCER_ID, [NewRecord(b"", raw)])
    await town.put(good)
    await town.agree(1)
    assert all(len(list(node._driver._intake._store.stored())) == 1 for node in town.nodes.values())


SENT_MAX = 200
CRASH_POINTS = [
    "node.Persist",
    "node.Publish",
    "node.Deliver",
    "node.PublishCommitted",
    "node.Wake",
    "node.Forget",
    "node.executed",
]


@pytest.mark.parametrize("point", CRASH_POINTS)
@pytest.mark.parametrize("times", [1, 4])
async def test_a_crash_after_any_effect_loses_and_doubles_nothing(
    point: str, times: int, town: Town, power_cut: None
) -> None:
    """One node dies at the point, again and again; it comes back and all four agree."""
    left = times

    def probe(step: str) -> None:
        nonlocal left
        if step == point:
            left -= 1
            if left == 0:
                raise Crash(step)

    for index in (0, 1, 2):
        await town.up(index)
    victim = await town.up(3, probe=probe)
    sent = 0
    while left > 0:  # it writes a block to the topic only when it leads
        await town.send(b"%d" % sent)
        sent += 1
        assert sent < SENT_MAX, town.report()
        await asyncio.sleep(0.1)
    await victim.stop()
    await town.up(3)
    await town.send(b"last")
    assert len(await town.agree(sent + 1)) == 1
    assert all(node.defect is None for node in town.nodes.values())


@pytest.mark.slow
@pytest.mark.parametrize("point", ["node.Persist", "node.Publish", "node.Deliver"])
async def test_all_nodes_crash_at_once_and_agree_afterwards(point: str, town: Town, power_cut: None) -> None:
    crashed: set[int] = set()

    def probe_of(index: int, after: int) -> Probe:
        left = after

        def probe(step: str) -> None:
            nonlocal left
            left -= step == point
            if left == 0 and step == point:
                crashed.add(index)
                raise Crash(step)

        return probe

    for index in range(4):
        await town.up(index, probe=probe_of(index, 3 + index))
    for number in range(4):
        await town.send(b"%d" % number)
    await eventually(lambda: len(crashed) >= 2, town.report)
    await town.down()
    await town.all_up()
    await town.send(b"last")
    assert len(await town.agree(5)) == 1
    assert all(node.defect is None for node in town.nodes.values())


async def test_a_twin_on_another_disk_is_found_and_does_not_vote(town: Town) -> None:
    await town.all_up()
    await town.send(b"1")
    await town.agree(1)
    first = town.nodes.pop(0)
    shutil.rmtree(town.folder / "twin", ignore_errors=True)
    settings = town.settings(0).model_copy(update={"data": town.folder / "twin", "listen_ms": 50})
    twin = await bootstrap(settings, log=town.log)
    await twin.start()
    await eventually(lambda: twin.defect is not None, lambda: repr(twin.defect))
    assert isinstance(twin.defect, Refusal)
    assert twin.defect.code == "IDENTITY_TWICE"
    assert not twin.ready()
    await twin.stop()
    await first.stop()


async def test_two_processes_cannot_use_one_folder(town: Town) -> None:
    await town.up(0)
    with pytest.raises(Refusal, match="DATA_IN_USE"):
        await bootstrap(town.settings(0), log=town.log)


async def test_a_node_without_its_log_refuses_to_vote(town: Town) -> None:
    await town.all_up()
    await town.send(b"1")
    await town.agree(1)
    await town.down(2)
    shutil.rmtree(town.folder / "v2" / "wal")
    with pytest.raises(Refusal, match="LOG_LOST"):
        await bootstrap(town.settings(2), log=town.log)
    await town.up(2, observer=True)
    await town.send(b"2")
    await town.agree(2)


async def test_a_node_that_learned_a_block_and_died_before_it_voted_has_not_lost_its_log(
    town: Town, log: MemoryLog
) -> None:
    def probe(step: str) -> None:
        if step == "node.Deliver":
            raise Crash(step)

    for index in (0, 1, 2):
        await town.up(index)
    await town.send(b"1")
    await town.agree(1)
    await log.trim(CONSENSUS, 0, (await log.bounds(CONSENSUS, 0))[1])
    victim = await town.up(3, probe=probe)
    await eventually(lambda: victim.final_height > 0, town.report)
    await victim.stop()
    await town.up(3)
    await town.send(b"2")
    assert len(await town.agree(2)) == 1


async def test_a_node_with_a_damaged_log_refuses_and_names_the_file(town: Town) -> None:
    await town.all_up()
    await town.send(b"1")
    await town.agree(1)
    await town.down(2)
    path = town.folder / "v2" / "wal" / "wal-00000001.log"
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 4
    path.write_bytes(raw)
    with pytest.raises(Damaged, match=path.name):
        await bootstrap(town.settings(2), log=town.log)


async def test_a_key_of_nobody_is_refused(town: Town) -> None:
    (town.folder / "v0.key").write_text("11" * 32 + "\n")
    with pytest.raises(Refusal, match="KEY_UNKNOWN"):
        await bootstrap(town.settings(0), log=town.log)


async def test_a_log_that_fails_for_a_while_only_delays(tmp_path: Path) -> None:
    store = MemoryStore()
    log = MemoryLog(store)
    await log.start()
    town = Town(tmp_path, log)
    await town.all_up()
    await town.send(b"1")
    await town.agree(1)
    await log.stop()
    await log.start()
    await town.send(b"2")
    await town.agree(2)
    await town.down()
