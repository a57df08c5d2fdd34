"""The event log on Apache Kafka: a board on brokers, which may die and come back and are never the judge.

Appends: acknowledged by all brokers in sync, under a number by which a repetition is known; one batch (an
append up to `BATCH_BYTES_MAX`, which is every record of the largest size and a little more) is there whole or
not at all. An append larger than that goes as several batches, one after the other: after `LogTrouble` a part
of it from its beginning may be there, and records of others may stand between its batches.
Reads: see `kafka_reader`. Every wait has a bound, and so has `stop`, whatever the brokers do.
Topics are compared with the table at the start and never changed; `sps topics apply` makes them.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from sps.eventlog.kafka_cluster import Cluster
from sps.eventlog.kafka_connection import NotLetIn
from sps.eventlog.kafka_follower import Place
from sps.eventlog.kafka_reader import PartitionReader
from sps.eventlog.kafka_requests import OFFSET_OUT_OF_RANGE, ask_trim, trimmed
from sps.eventlog.kafka_security import KafkaSecurity
from sps.eventlog.kafka_topics import TopicMismatch, compare
from sps.eventlog.kafka_writer import PartitionWriter
from sps.eventlog.lane import check_append, check_place, check_read
from sps.eventlog.meter import LogMeter, LogResult, NoMeter
from sps.eventlog.port import LogRefused, LogTrouble, NewRecord, Record
from sps.eventlog.topics import TOPICS, Topic

START_S: Final = 15.0
TRIM_S: Final = 2.0
CLIENT_ID: Final = "sps"


class KafkaLog:
    """One handle, for one event loop; a process may have several, which share nothing.

    `servers`: `host:port` of some brokers. `prefix` goes before each topic's name. `replication`: how many
    copies each partition must have at least.
    """

    def __init__(
        self,
        servers: Sequence[str],
        *,
        prefix: str = "",
        security: KafkaSecurity | None = None,
        topics: dict[str, Topic] | None = None,
        replication: int = 1,
        metrics: LogMeter | None = None,
        client_id: str = CLIENT_ID,
    ) -> None:
        self._topics: Final = TOPICS if topics is None else topics
        self._prefix: Final = prefix
        self._replication: Final = replication
        self._metrics: Final = metrics or NoMeter()
        names = [prefix + topic.name for topic in self._topics.values()]
        self._cluster: Final = Cluster(servers, names, security or KafkaSecurity(), client_id)
        self._writers: Final[dict[tuple[str, int], PartitionWriter]] = {}
        self._readers: Final[dict[tuple[str, int], PartitionReader]] = {}
        self._running = False

    async def start(self) -> None:
        """Raises `LogTrouble` without brokers, `LogRefused` when they do not let us in, `TopicMismatch`."""
        self._cluster.start()
        try:
            async with asyncio.timeout(START_S):
                found = await compare(self._cluster, self._prefix, self._topics, self._replication)
            if found:
                raise TopicMismatch(found)
        except NotLetIn as error:
            raise LogRefused(str(error)) from error
        except TimeoutError as error:
            raise LogTrouble(f"the brokers did not answer within {START_S:g} s") from error
        else:
            self._running = True
        finally:
            if not self._running:
                await self._cluster.stop()

    async def stop(self) -> None:
        """Within little more than `kafka_writer.DRAIN_S`; nothing is sent afterwards."""
        if not self._running:
            return
        self._running = False
        await asyncio.gather(
            *(reader.stop() for reader in self._readers.values()),
            *(writer.stop() for writer in self._writers.values()),
        )
        await self._cluster.stop()
        self._readers.clear()
        self._writers.clear()

    async def append(self, topic: str, partition: int, records: Sequence[NewRecord]) -> int:
        self._check(topic, partition)
        began_s = asyncio.get_running_loop().time()
        result: LogResult = "trouble"
        try:
            check_append(records)
            offset = await self._writer(topic, partition).append(records)
            result = "ok"
        except LogRefused:
            result = "refused"
            raise
        finally:
            took_s = asyncio.get_running_loop().time() - began_s
            self._metrics.published(topic, result, len(records), took_s)
        return offset

    async def read(
        self, topic: str, partition: int, offset: int, *, limit: int = 500, wait_s: float = 0.0
    ) -> list[Record]:
        self._check(topic, partition)
        check_read(offset, limit, wait_s)
        return await self._reader(topic, partition).read(offset, limit, wait_s)

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        self._check(topic, partition)
        return await self._reader(topic, partition).bounds()

    async def trim(self, topic: str, partition: int, before: int) -> int:
        """Let the records below `before` go; returns the oldest kept."""
        start, end = await self.bounds(topic, partition)
        name = self._prefix + topic
        request = ask_trim(name, partition, min(before, end), TRIM_S)
        answer = await self._cluster.ask_leader(name, partition, request, lambda answer: trimmed(answer)[0])
        code, oldest = trimmed(answer)
        return start if code == OFFSET_OUT_OF_RANGE else oldest

    def _check(self, topic: str, partition: int) -> None:
        if not self._running:
            raise LogTrouble("the event log is not running")
        check_place(self._topics, topic, partition)

    def _writer(self, topic: str, partition: int) -> PartitionWriter:
        writer = self._writers.get((topic, partition))
        if writer is None:
            kind, name = self._topics[topic], self._prefix + topic
            writer = self._writers[topic, partition] = PartitionWriter(self._cluster, kind, name, partition)
        return writer

    def _reader(self, topic: str, partition: int) -> PartitionReader:
        reader = self._readers.get((topic, partition))
        if reader is None:
            place = Place(topic, self._prefix + topic, partition, self._metrics)
            reader = self._readers[topic, partition] = PartitionReader(self._cluster, place)
        return reader
