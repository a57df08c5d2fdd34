"""The log on a real broker against the one suite; each case has topics of its own."""

import pytest

from sps.eventlog import kafka_topics
from sps.eventlog.conformance import CASES, Case
from sps.eventlog.kafka import KafkaLog
from sps.eventlog.topics import BLOCKS, CONSENSUS, TOPICS, TRANSACTIONS
from sps_cli.servers.kafka import KafkaServer

USED = {name: TOPICS[name] for name in (TRANSACTIONS, CONSENSUS, BLOCKS)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_the_log_on_kafka_keeps_the_rule(
    case: Case, kafka_server: KafkaServer, kafka_prefix: str
) -> None:
    address = f"kafka://{kafka_server.address}?prefix={kafka_prefix}"
    await kafka_topics.apply(address, replication=1, topics=USED)
    await case(lambda: KafkaLog([kafka_server.address], prefix=kafka_prefix, topics=USED))
