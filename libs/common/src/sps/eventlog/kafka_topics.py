"""The topics of the one table on a live cluster: made where they are missing, compared, never changed.

What exists and differs is a person's decision: to change a count of partitions moves keys, and to shorten
what is kept loses it.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateTopicsRequest, DescribeConfigsRequest

from sps.eventlog.address import KafkaAddress, read_address
from sps.eventlog.kafka_cluster import NOBODY, Cluster
from sps.eventlog.kafka_connection import kafka_error
from sps.eventlog.kafka_requests import OK, UNKNOWN_TOPIC_OR_PARTITION, LiveTopic
from sps.eventlog.kafka_security import KafkaSecurity
from sps.eventlog.port import LogRefused, LogTrouble
from sps.eventlog.topics import QUORUM_REPLICATION, TOPICS, Topic, in_sync_min

CREATE_S: Final = 30.0
APPEAR_S: Final = 10.0
LOOK_AGAIN_S: Final = 0.02
DESCRIBE_S: Final = 10.0
CLIENT_ID: Final = "sps-topics"
IN_SYNC: Final = "min.insync.replicas"
FOR_EVER: Final = "-1"
_TOPIC_RESOURCE: Final = 2
_ANY_ASSIGNMENT: Final[list[Any]] = []
_MS_PER_S: Final = 1_000
_COMPRESSION: Final = {"none": "uncompressed", "zstd": "zstd"}


class TopicMismatch(LogRefused):
    """The live topics are not those of the table; the message names every difference."""

    def __init__(self, differences: list[str]) -> None:
        super().__init__("the topics do not fit: " + "; ".join(differences))
        self.differences = differences


def topic_settings(topic: Topic, replication: int) -> dict[str, str]:
    """The configuration of a topic, in Kafka's words."""
    return {
        "cleanup.policy": topic.cleanup,
        "retention.ms": FOR_EVER if topic.retention_ms is None else str(topic.retention_ms),
        "retention.bytes": FOR_EVER,
        "max.message.bytes": str(topic.message_bytes),
        "compression.type": _COMPRESSION[topic.compression],
        "message.timestamp.type": "LogAppendTime",  # a producer's clock must not shorten what is kept
        IN_SYNC: str(in_sync_min(replication)),
        "unclean.leader.election.enable": "false",
    }


async def apply(
    address: str,
    *,
    replication: int = QUORUM_REPLICATION,
    security: KafkaSecurity | None = None,
    topics: Mapping[str, Topic] | None = None,
) -> list[str]:
    """Make the topics that are missing; their names on the cluster. Raises `LogTrouble`, `LogRefused`."""
    place = _kafka(address)
    table = TOPICS if topics is None else topics
    async with _Session(place, table, security) as cluster:
        live = (await cluster.metadata()).topics
        missing = [
            topic
            for topic in table.values()
            if live[place.prefix + topic.name].code == UNKNOWN_TOPIC_OR_PARTITION
        ]
        if missing:
            await _create(cluster, place.prefix, missing, replication)
            await _appear(cluster, [place.prefix + topic.name for topic in missing])
    return [place.prefix + topic.name for topic in missing]


async def differences(
    address: str,
    *,
    replication: int | None = None,
    security: KafkaSecurity | None = None,
    topics: Mapping[str, Topic] | None = None,
) -> list[str]:
    """What is not as the table says, a line for each; `replication` None: as the address says."""
    place = _kafka(address)
    table = TOPICS if topics is None else topics
    async with _Session(place, table, security) as cluster:
        return await compare(cluster, place.prefix, table, replication or place.replication)


async def compare(cluster: Cluster, prefix: str, topics: Mapping[str, Topic], replication: int) -> list[str]:
    """The same for a cluster that is connected."""
    cluster.stale()
    metadata = await cluster.metadata()
    found: list[str] = []
    there: dict[str, tuple[Topic, LiveTopic]] = {}
    for topic in topics.values():
        name, live = prefix + topic.name, metadata.topics[prefix + topic.name]
        if live.code == UNKNOWN_TOPIC_OR_PARTITION:
            found.append(f"{name}: there is no such topic (`sps topics apply` makes it)")
        elif live.code != OK:
            found.append(f"{name}: {kafka_error(live.code)}")
        else:
            there[name] = topic, live
    settings = await _settings(cluster, list(there))
    for name, (topic, live) in there.items():
        found += _differences(name, topic, live, settings[name], replication)
    return found


def _differences(
    name: str, topic: Topic, live: LiveTopic, settings: Mapping[str, str], replication: int
) -> list[str]:
    found = []
    if len(live.leaders) != topic.partitions:
        found.append(f"{name}: {len(live.leaders)} partitions, wanted {topic.partitions}")
    if live.replication < replication:
        found.append(f"{name}: replication {live.replication}, wanted at least {replication}")
    wanted = topic_settings(topic, max(replication, live.replication))
    in_sync = int(wanted.pop(IN_SYNC))
    if int(settings.get(IN_SYNC, "0")) < in_sync:
        found.append(f"{name}: {IN_SYNC} is {settings.get(IN_SYNC)}, wanted at least {in_sync}")
    elif int(settings[IN_SYNC]) > live.replication:
        found.append(f"{name}: {IN_SYNC} is {settings[IN_SYNC]}, more than its {live.replication} copies")
    for key, value in wanted.items():
        if settings.get(key) != value:
            found.append(f"{name}: {key} is {settings.get(key)}, wanted {value}")
    return found


async def _create(cluster: Cluster, prefix: str, topics: list[Topic], replication: int) -> None:
    wanted = [
        (
            prefix + topic.name,
            topic.partitions,
            replication,
            _ANY_ASSIGNMENT,
            list(topic_settings(topic, replication).items()),
        )
        for topic in topics
    ]
    request = CreateTopicsRequest(wanted, int(CREATE_S * _MS_PER_S), validate_only=False)
    answer = await cluster.ask_any(request, CREATE_S)
    for name, code, message in answer.topic_errors:
        error = for_code(code)
        if error.__name__ not in {"NoError", "TopicAlreadyExistsError"}:  # somebody else was as quick
            kind = LogTrouble if error.retriable else LogRefused
            raise kind(f"{name} cannot be made: {message or kafka_error(code)}")


async def _appear(cluster: Cluster, names: list[str]) -> None:
    """A controller answers before its brokers know."""
    try:
        async with asyncio.timeout(APPEAR_S):
            while True:
                cluster.stale()
                live = (await cluster.metadata()).topics
                if all(live[name].code == OK and NOBODY not in live[name].leaders.values() for name in names):
                    return
                await asyncio.sleep(LOOK_AGAIN_S)
    except TimeoutError as error:
        raise LogTrouble(f"the brokers do not know the new topics after {APPEAR_S:g} s") from error


async def _settings(cluster: Cluster, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    request = DescribeConfigsRequest([(_TOPIC_RESOURCE, name, None) for name in names])
    answer = await cluster.ask_any(request, DESCRIBE_S)
    found: dict[str, dict[str, str]] = {}
    for code, message, _, name, entries in answer.resources:
        if code != OK:
            kind = LogTrouble if for_code(code).retriable else LogRefused
            raise kind(f"the settings of {name} cannot be read: {message or kafka_error(code)}")
        found[name] = {key: value for key, value, *_ in entries}
    return found


def _kafka(address: str) -> KafkaAddress:
    place = read_address(address)
    if not isinstance(place, KafkaAddress):
        raise LogRefused("topics are made on Kafka; a log in a file makes its own")
    return place


class _Session:
    """A cluster for the time of some questions."""

    def __init__(
        self, place: KafkaAddress, topics: Mapping[str, Topic], security: KafkaSecurity | None
    ) -> None:
        names = [place.prefix + topic.name for topic in topics.values()]
        self._cluster = Cluster(place.servers, names, security or KafkaSecurity(), CLIENT_ID)

    async def __aenter__(self) -> Cluster:
        self._cluster.start()
        return self._cluster

    async def __aexit__(self, *_: object) -> None:
        await self._cluster.stop()
