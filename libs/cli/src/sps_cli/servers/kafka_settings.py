"""The settings of a Kafka server of one node, as text. `deploy/local/compose.yaml` says the same."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sps_cli.servers.ports import LOOPBACK

SETTINGS: Final[dict[str, str]] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    # A node that was killed comes back only after its old session has ended; usual are 9 s.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
}

LOG4J: Final = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %-5p %c{1} %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
"""


def properties(data: Path, port: int, controller_port: int, advertised: Mapping[int, int]) -> str:
    """The file `server.properties`. `advertised`: a further listener's port -> where its clients are sent."""
    behind = [(f"PROXY{i}", own, told) for i, (own, told) in enumerate(sorted(advertised.items()))]
    listeners = [("PLAINTEXT", port), ("CONTROLLER", controller_port), *((n, own) for n, own, _ in behind)]
    told_clients = [("PLAINTEXT", port), *((name, told) for name, _, told in behind)]
    settings = SETTINGS | {
        "log.dirs": str(data),
        "listeners": ",".join(f"{name}://{LOOPBACK}:{at}" for name, at in listeners),
        "advertised.listeners": ",".join(f"{name}://{LOOPBACK}:{at}" for name, at in told_clients),
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name, _ in listeners),
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.quorum.bootstrap.servers": f"{LOOPBACK}:{controller_port}",
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())
