"""The one line that says where the event log is."""

from pathlib import Path

import pytest

from sps.eventlog.address import BadAddress, FileAddress, KafkaAddress, open_log, read_address
from sps.eventlog.embedded import EmbeddedLog
from sps.eventlog.kafka import KafkaLog


@pytest.mark.parametrize(
    ("address", "means"),
    [
        ("sqlite:///var/log.db", FileAddress(Path("var/log.db"))),
        ("sqlite:////var/log.db", FileAddress(Path("/var/log.db"))),
        ("kafka://a:9092", KafkaAddress(("a:9092",))),
        ("kafka://a:9092/", KafkaAddress(("a:9092",))),
        ("kafka://a.b-c:1,10.0.0.1:65535", KafkaAddress(("a.b-c:1", "10.0.0.1:65535"))),
        ("kafka://[::1]:9092", KafkaAddress(("[::1]:9092",))),
        ("kafka://a:1?prefix=x.", KafkaAddress(("a:1",), "x.")),
        ("kafka://a:1?replication=3&prefix=x.", KafkaAddress(("a:1",), "x.", 3)),
    ],
)
def test_an_address_is_read(address: str, means: KafkaAddress | FileAddress) -> None:
    assert read_address(address) == means


@pytest.mark.parametrize(
    "address",
    [
        "",
        "sqlite:///",
        "sqlite://x",
        "postgresql://a",
        "kafka://",
        "kafka://a",
        "kafka://a:0",
        "kafka://a:65536",
        "kafka://a:1,",
        "kafka://a:1,,b:1",
        "kafka://name:password@a:1",
        "kafka://a:1/topic",
        "kafka://a:1?prefix=a b",
        "kafka://a:1?prefix=x&prefix=y",
        "kafka://a:1?acks=0",
        "kafka://a:1?replication=0",
        "kafka://a:1?replication=17",
        "kafka://a:1?replication=x",
        "kafka://" + ",".join(["a:1"] * 33),
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(BadAddress):
        read_address(address)


async def test_an_address_opens_its_log(tmp_path: Path) -> None:
    assert isinstance(open_log("kafka://127.0.0.1:1"), KafkaLog)
    log = open_log(f"sqlite:///{tmp_path}/log.db")
    assert isinstance(log, EmbeddedLog)
    await log.start()
    await log.stop()
    assert (tmp_path / "log.db").exists()
