"""Where the event log is, as one line of text.

`kafka://host:port,host:port?prefix=x.&replication=3` or `sqlite:///relative/path`, `sqlite:////absolute/path`.
`prefix` goes before each topic's name, so that several chains share a cluster; `replication` is how many
copies each partition must have at least (1 when nothing is said).
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from msgspec import Struct

from sps.eventlog.kafka_security import KafkaSecurity
from sps.eventlog.port import EventLog, LogRefused

if TYPE_CHECKING:
    from sps.eventlog.meter import LogMeter

KAFKA: Final = "kafka://"
SQLITE: Final = "sqlite:///"
SERVERS_MAX: Final = 32
REPLICATION_MAX: Final = 16
PORT_MAX: Final = 65_535
_SERVER: Final = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._-]{0,252}|\[[0-9A-Fa-f:]{2,45}\]):([0-9]{1,5})", re.ASCII
)
_PREFIX: Final = re.compile(r"[A-Za-z0-9._-]{0,100}", re.ASCII)


class BadAddress(LogRefused):
    """The line names no event log that there could be."""

    code = "BAD_ADDRESS"


class KafkaAddress(Struct, frozen=True):
    """A cluster and our part of it."""

    servers: tuple[str, ...]
    """`host:port`, brokers to begin with."""
    prefix: str = ""
    replication: int = 1


class FileAddress(Struct, frozen=True):
    """The file of the embedded log."""

    path: Path


def read_address(address: str) -> KafkaAddress | FileAddress:
    """Raises `BadAddress` with what is wrong."""
    if address.startswith(SQLITE) and len(address) > len(SQLITE):
        return FileAddress(Path(address.removeprefix(SQLITE)))
    if address.startswith(KAFKA):
        return _kafka(address)
    raise BadAddress(f"an event log is {KAFKA}host:port or {SQLITE}path, not {address!r}")


def open_log(
    address: str, security: KafkaSecurity | None = None, *, metrics: "LogMeter | None" = None
) -> EventLog:
    """The log at this address, not started. `metrics` hear what a log on Kafka does."""
    place = read_address(address)
    if isinstance(place, FileAddress):
        from sps.eventlog.embedded import EmbeddedLog

        return EmbeddedLog(place.path)
    from sps.eventlog.kafka import KafkaLog

    return KafkaLog(
        place.servers, prefix=place.prefix, replication=place.replication, security=security, metrics=metrics
    )


def _kafka(address: str) -> KafkaAddress:
    where, _, question = address.removeprefix(KAFKA).partition("?")
    servers = tuple(where.rstrip("/").split(","))
    if len(servers) > SERVERS_MAX:
        raise BadAddress(f"more than {SERVERS_MAX} servers in {address!r}")
    for server in servers:
        found = _SERVER.fullmatch(server)
        if found is None or not 0 < int(found[2]) <= PORT_MAX:
            raise BadAddress(f"{server!r} in {address!r} is not host:port")
    options = _options(question, address)
    prefix, replication = options.get("prefix", ""), options.get("replication", "1")
    if not _PREFIX.fullmatch(prefix):
        raise BadAddress(f"a prefix is letters, digits, dots and hyphens, not {prefix!r}")
    if not re.fullmatch("[0-9]{1,2}", replication) or not 1 <= int(replication) <= REPLICATION_MAX:
        raise BadAddress(f"replication is 1…{REPLICATION_MAX}, not {replication!r}")
    return KafkaAddress(servers, prefix, int(replication))


def _options(question: str, address: str) -> dict[str, str]:
    pairs = parse_qsl(question, keep_blank_values=True)
    options = dict(pairs)
    if len(options) != len(pairs) or options.keys() - {"prefix", "replication"}:
        raise BadAddress(f"behind the ? of {address!r} only prefix=… and replication=… may stand, once each")
    return options
