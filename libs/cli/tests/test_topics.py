"""`sps topics` against a real broker."""

import asyncio

import pytest
from typer.testing import CliRunner

from sps.eventlog.topics import TOPICS
from sps.runtime.errors import Refusal
from sps_cli.main import app
from sps_cli.servers.kafka import KafkaServer

runner = CliRunner()


async def _run(*words: str, **environment: str) -> tuple[int, str]:
    result = await asyncio.to_thread(runner.invoke, app, ["topics", *words], env=environment)
    if isinstance(result.exception, Refusal):
        raise result.exception
    return result.exit_code, result.output


async def test_topics_are_made_and_checked(kafka_server: KafkaServer, kafka_prefix: str) -> None:
    address = f"kafka://{kafka_server.address}?prefix={kafka_prefix}"
    code, said = await _run("check", "--event-log", address)
    assert (code, said.count("no such topic")) == (1, len(TOPICS))
    code, said = await _run("apply", "--event-log", address, "--replication", "1")
    assert (code, said.count(f"made {kafka_prefix}")) == (0, len(TOPICS))
    code, said = await _run("check", SPS_EVENT_LOG=address)
    assert (code, said) == (0, "the topics are as the table says\n")
    code, said = await _run("check", "--event-log", address, "--replication", "3")
    assert (code, said.count("replication 1, wanted at least 3")) == (1, len(TOPICS))


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("kafka://", "BAD_ADDRESS"),
        ("sqlite:///log.db", "EVENT_LOG_REFUSED"),
        ("kafka://127.0.0.1:1", "EVENT_LOG_TROUBLE"),
    ],
)
async def test_what_cannot_be_asked_is_said_in_one_line(address: str, code: str) -> None:
    with pytest.raises(Refusal) as refusal:
        await _run("check", "--event-log", address)
    assert refusal.value.code == code


async def test_a_password_without_encryption_is_taken_from_the_environment_only() -> None:
    options = ("--event-log", "kafka://127.0.0.1:1", "--sasl-mechanism", "PLAIN", "--username", "alice")
    with pytest.raises(Refusal, match="belong together"):
        await _run("check", *options)
    with pytest.raises(Refusal, match="EVENT_LOG_TROUBLE"):
        await _run("check", *options, SPS_KAFKA_PASSWORD="secret")
