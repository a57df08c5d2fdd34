"""`files/topics.json` of the chart: the one table of topics, with who reads and who appends.

How many brokers must hold a record depends on the copies, which an installation chooses; the chart computes
it.
"""

import json
from typing import Any

from sps.eventlog.kafka_topics import IN_SYNC, topic_settings
from sps.eventlog.topics import TOPICS, Topic
from sps_cli.documents.asyncapi import RECORDS


def topics() -> str:
    """The file, in JSON."""
    return (
        json.dumps({name: _facts(topic) for name, topic in TOPICS.items()}, indent=2, sort_keys=True) + "\n"
    )


def _facts(topic: Topic) -> dict[str, Any]:
    settings = topic_settings(topic, replication=1)
    settings.pop(IN_SYNC)
    record = RECORDS[topic.name]
    return {
        "partitions": topic.partitions,
        "config": settings,
        "readers": list(record.receivers),
        "writers": list(record.senders),
    }
