"""`docs/asyncapi.json` (AsyncAPI 3.0): the topics, who writes and reads them, what stands in their records.

Schemas of transactions are those that `sps.transactions.schemas_export` writes; binary records point to
`docs/protocol.md`, which has their bytes.
"""

import json
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, Final

import msgspec
from msgspec import Struct

from sps.eventlog.topics import BLOCKS, CONSENSUS, PAYOUTS, TOPICS, TRANSACTIONS, Topic
from sps.transactions.codec import TRANSACTION_BYTES_MAX
from sps.transactions.orders import ORDER_BYTES_MAX, SignedOrder
from sps.transactions.schemas_export import kinds, schema_of
from sps.transactions.vocabulary import ROLE_OF

KAFKA_BINDING: Final = "0.5.0"
FOREVER: Final = -1
"""What Kafka calls a retention without end."""

FOLLOWERS: Final = ("contract-api", "carrier-gateway", "payment-gateway", "settlement")

Json = dict[str, Any]


class Record(Struct, frozen=True):
    """What stands in a topic, who appends it and who reads it."""

    name: str
    section: str
    """Of `docs/protocol.md`, as an anchor."""
    senders: tuple[str, ...]
    receivers: tuple[str, ...]


RECORDS: Final[dict[str, Record]] = {
    TRANSACTIONS: Record("batch", "objects", FOLLOWERS, ("consensus-node", *FOLLOWERS)),
    CONSENSUS: Record("consensus", "consensus-messages", ("consensus-node",), ("consensus-node",)),
    BLOCKS: Record("committed", "objects", ("consensus-node",), ("consensus-node", *FOLLOWERS)),
    PAYOUTS: Record("order", "orders", ("settlement",), ("payment-gateway",)),
}

TRACEPARENT: Final[Json] = {
    "type": "object",
    "properties": {
        "traceparent": {
            "type": "string",
            "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
            "description": "W3C Trace Context, where traces are on (docs/tracing.md); signed by nobody.",
        }
    },
}
"""The headers of batches, blocks and orders."""


def asyncapi() -> str:
    """The document, in JSON."""
    document: Json = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Smart Payment Service: event log",
            "version": version("sps-common"),
            "description": "Topics of the event log. The log can delay, repeat, reorder and lose; every "
            "record proves itself by signatures. Built from the code by `sps docs build`.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/octet-stream",
        "channels": {name: _channel(topic) for name, topic in TOPICS.items()},
        "operations": dict(_operations()),
        "components": {"messages": dict(_messages()), "schemas": _schemas()},
    }
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def _channel(topic: Topic) -> Json:
    record = RECORDS[topic.name]
    retention = FOREVER if topic.retention_ms is None else topic.retention_ms
    settings = {"cleanup.policy": ["delete"], "retention.ms": retention}
    kafka = {
        "topic": topic.name,
        "partitions": topic.partitions,
        "topicConfiguration": settings,
        "bindingVersion": KAFKA_BINDING,
    }
    return {
        "address": topic.name,
        "description": f"{topic.what}; key: {topic.key}",
        "messages": {record.name: {"$ref": f"#/components/messages/{record.name}"}},
        "bindings": {"kafka": kafka},
    }


def _operations() -> Iterator[tuple[str, Json]]:
    for name, record in RECORDS.items():
        for action, services in (("send", record.senders), ("receive", record.receivers)):
            for service in services:
                yield (
                    f"{service}.{action}.{record.name}",
                    {
                        "action": action,
                        "channel": {"$ref": f"#/channels/{name}"},
                        "messages": [{"$ref": f"#/channels/{name}/messages/{record.name}"}],
                    },
                )


# --- messages ----------------------------------------------------------------------------------


def _messages() -> Iterator[tuple[str, Json]]:
    carried = [{"$ref": f"#/components/messages/{tag}"} for tag in kinds()]
    yield (
        "batch",
        {
            **_binary(TRANSACTIONS, "A signed batch of transactions"),
            "headers": TRACEPARENT,
            "x-carries": carried,
        },
    )
    yield "consensus", _binary(CONSENSUS, "A proposal, votes, certificates, a status or a request")
    committed = _binary(BLOCKS, "A final block with the certificate that proves it")
    yield "committed", {**committed, "headers": TRACEPARENT}
    order = _json("A signed order to pay out or to refund", _ref("SignedOrder"), ORDER_BYTES_MAX)
    yield "order", {"name": "order", **order, "headers": TRACEPARENT}
    for tag, kind in kinds().items():
        what = " ".join((kind.__doc__ or tag).split())
        message = _json(what, _ref(kind.__name__), TRANSACTION_BYTES_MAX)
        yield tag, {"name": tag, **message, "x-role": ROLE_OF[kind]}


def _binary(topic: str, title: str) -> Json:
    record = RECORDS[topic]
    return {
        "name": record.name,
        "title": title,
        "contentType": "application/octet-stream",
        "description": f"The exact bytes are in docs/protocol.md#{record.section}.",
        "payload": {"type": "string", "format": "binary"},
    }


def _json(title: str, payload: Json, bytes_max: int) -> Json:
    return {
        "title": title,
        "contentType": "application/json",
        "description": f"Canonical JSON (docs/protocol.md), at most {bytes_max} bytes.",
        "payload": payload,
    }


# --- schemas -----------------------------------------------------------------------------------


def _schemas() -> Json:
    """All definitions by name, as AsyncAPI wants them; two of one name have to be the same."""
    found: Json = {}
    for schema in [*map(schema_of, kinds()), msgspec.json.schema(SignedOrder)]:
        for name, definition in schema["$defs"].items():
            adapted = _adapted(definition)
            if found.setdefault(name, adapted) != adapted:
                raise ValueError(f"two different schemas are called {name}")
    return found


def _adapted(schema: Any) -> Any:
    """JSON Schema 2020-12 in the words of draft 7, the one that AsyncAPI extends."""
    if isinstance(schema, list):
        return [_adapted(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    words = {key: _adapted(value) for key, value in schema.items()}
    if "prefixItems" in words:
        words["additionalItems"], words["items"] = words.get("items", True), words.pop("prefixItems")
    if str(words.get("$ref", "")).startswith("#/$defs/"):
        return _ref(words["$ref"].rpartition("/")[2])
    return words


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}
