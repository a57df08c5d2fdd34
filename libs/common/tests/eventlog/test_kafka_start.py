"""Starting where no broker is."""

import asyncio
import socket
import time

import pytest

from sps.eventlog.kafka import KafkaLog
from sps.eventlog.port import LogTrouble, NewRecord
from sps.eventlog.topics import BLOCKS, CONSENSUS, TOPICS

USED = {name: TOPICS[name] for name in (CONSENSUS, BLOCKS)}
SLACK_S = 10.0
"""On a busy machine, beyond the bound that is tested."""


async def test_a_start_without_a_broker_is_trouble() -> None:
    before = asyncio.all_tasks()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        log = KafkaLog([f"127.0.0.1:{closed.getsockname()[1]}"], topics=USED)
        with pytest.raises(LogTrouble):
            await log.start()
    assert asyncio.all_tasks() == before
    with pytest.raises(LogTrouble):
        await log.append(BLOCKS, 0, [NewRecord(b"", b"a")])
    await log.stop()


async def test_a_start_with_somebody_who_never_answers_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sps.eventlog.kafka_connection.CONNECT_S", 0.3)
    before = asyncio.all_tasks()
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        began = time.monotonic()
        with pytest.raises(LogTrouble):
            await KafkaLog([f"127.0.0.1:{mute.getsockname()[1]}"], topics=USED).start()
        assert time.monotonic() - began < 0.3 + SLACK_S
    assert asyncio.all_tasks() == before
