"""Every service through its real `__main__`, from environment variables alone, on the embedded log and SQLite."""

import asyncio
import json
import signal
import socket
import sqlite3
from pathlib import Path

import httpx
import pytest
from process_kit import (
    MODULES,
    Mute,
    ServiceProcess,
    open_folder,
    postgres_refusal,
    service_process,
    variables_of,
)

from sps_cli.state_folder import StateFolder

KINDS = ("contract-api", "carrier-gateway", "payment-gateway", "settlement", "sandbox", "node-0")
NOBODY = "127.0.0.1:1"
STOP_S = 15
"""Well below the grace period of 25 s, well above what a busy machine needs."""
KEYS = {"ts", "level", "event", "logger", "service", "version"}


@pytest.fixture
def folder(tmp_path):
    made = open_folder(tmp_path / "state")
    yield made
    made.close()


async def end(process: ServiceProcess, number: signal.Signals = signal.SIGTERM) -> float:
    """It ends well; how long that took."""
    process.send(number)
    code, seconds = await process.ended()
    assert (code, process.err) == (0, ""), process.out
    return seconds


async def refused(folder: StateFolder, name: str, code: str, **how: str) -> str:
    """It ends with 2 and one line; the line."""
    async with service_process(folder, name, **how) as process:
        assert (await process.ended())[0] == 2, process.out + process.err
        assert process.err.count("\n") == 1
        assert process.err.endswith(f"({code})\n")
        return process.err


@pytest.mark.parametrize("name", KINDS)
async def test_a_service_runs_from_its_variables_and_ends_when_asked(folder, name) -> None:
    async with service_process(folder, name) as process:
        ready = await process.until("/health/ready", 200)
        metrics = await process.get("/metrics")
        seconds = await end(process)
    assert all(ready["dependencies"].values())
    assert metrics is not None
    for wanted in (
        "sps_build_info{",
        "sps_ready 1.0",
        "sps_event_loop_lag_seconds_count",
        "sps_dependency_up{",
    ):
        assert wanted in metrics.text
    if name != "node-0":
        assert "sps_db_pool_connections{" in metrics.text
        assert "sps_db_schema_revision_info{" in metrics.text
    assert all(line.keys() >= KEYS for line in process.lines)
    assert {line["service"] for line in process.lines} == {MODULES[name].replace("_", "-")}
    assert seconds < STOP_S


async def test_the_public_port_has_neither_health_nor_metrics(folder) -> None:
    async with service_process(folder, "contract-api") as process:
        await process.until("/health/ready", 200)
        async with httpx.AsyncClient(base_url=folder.url("api"), trust_env=False) as client:
            for path in ("/metrics", "/health/live", "/health/ready"):
                assert (await client.get(path)).status_code == 404
        await end(process, signal.SIGINT)


@pytest.mark.parametrize("delay_s", [0.0, 0.3, 1.0])
async def test_asked_to_end_at_any_moment_of_its_start_it_ends_with_0(folder, delay_s) -> None:
    async with service_process(folder, "settlement") as process:
        await process.until_it_listens_to(signal.SIGTERM)
        await asyncio.sleep(delay_s)
        await end(process)


@pytest.mark.parametrize("name", ["settlement", "node-0"])
@pytest.mark.parametrize("kind", ["dead", "mute"])
async def test_with_a_broker_that_is_away_it_lives_waits_and_ends_when_asked(folder, name, kind) -> None:
    async with Mute() as mute:
        address = NOBODY if kind == "dead" else f"127.0.0.1:{mute.port}"
        async with service_process(folder, name, event_log=f"kafka://{address}") as process:
            await process.until("/health/live", 200)
            waiting = await process.until("/health/ready", 503)
            if kind == "mute":
                await mute.met.wait()
            assert await end(process) < STOP_S
    assert waiting["dependencies"]["event_log"] is False
    assert process.lines[-1]["event"] == "process.ends"


@pytest.mark.parametrize("kind", ["dead", "mute"])
async def test_with_a_database_that_is_away_it_lives_waits_and_ends_when_asked(folder, kind) -> None:
    async with Mute() as mute:
        address = NOBODY if kind == "dead" else f"127.0.0.1:{mute.port}"
        url = f"postgresql+asyncpg://sps:canary@{address}/x"
        async with service_process(folder, "settlement", database_url=url) as process:
            await process.until("/health/live", 200)
            waiting = await process.until("/health/ready", 503)
            if kind == "mute":
                await mute.met.wait()
            assert await end(process) < STOP_S
    assert waiting["dependencies"]["database"] is False
    assert "canary" not in process.out


async def test_what_it_waits_for_may_come_later(folder, tmp_path) -> None:
    later = tmp_path / "later"
    url = f"sqlite+aiosqlite:///{later}/books.sqlite"
    async with service_process(folder, "settlement", database_url=url) as process:
        waiting = await process.until("/health/ready", 503)
        assert waiting["dependencies"]["database"] is False
        later.mkdir()
        await process.until("/health/ready", 200)
        await end(process)


async def test_a_port_that_is_taken_is_waited_for(folder) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        async with service_process(folder, "sandbox", port=str(port)) as process:
            await process.until("/health/live", 200)
            other.close()
            async with httpx.AsyncClient(trust_env=False) as client:
                while True:
                    try:
                        assert (await client.get(f"http://127.0.0.1:{port}/")).status_code < 500
                        break
                    except httpx.TransportError:
                        await asyncio.sleep(0.1)
            await end(process)


# --- refusals ---------------------------------------------------------------------------------------


async def test_an_unknown_setting_and_a_missing_one_are_refused_together(folder) -> None:
    line = await refused(
        folder, "settlement", "SETTING_UNKNOWN", without="SETTLEMENT_INTERNAL_TOKEN", spread="5"
    )
    assert "is SETTLEMENT_SPREAD_BP meant?" in line
    assert "SETTLEMENT_INTERNAL_TOKEN: it must be given" in line


async def test_a_process_needs_to_know_its_event_log(folder) -> None:
    await refused(folder, "node-0", "SETTING_MISSING", without="CONSENSUS_NODE_EVENT_LOG")
    line = await refused(folder, "node-0", "BAD_ADDRESS", event_log="redis://x")
    assert "kafka://host:port" in line


@pytest.mark.parametrize(("name", "code"), [("settlement", "WRONG_KEY"), ("node-0", "KEY_UNKNOWN")])
async def test_the_key_of_somebody_else_is_refused(folder, name, code) -> None:
    await refused(folder, name, code, key=str(folder.key("contract-api")))


@pytest.mark.parametrize("name", ["settlement", "node-0"])
async def test_a_key_or_genesis_that_is_not_there_is_refused_and_none_is_made(folder, tmp_path, name) -> None:
    missing = tmp_path / "missing"
    await refused(folder, name, "FILE_UNUSABLE", key=str(missing))
    assert not missing.exists()
    await refused(folder, name, "GENESIS_UNREADABLE", genesis=str(missing))


async def test_a_key_that_others_may_read_is_refused(folder, tmp_path) -> None:
    key = tmp_path / "key"
    key.write_text(folder.key("settlement").read_text())
    key.chmod(0o644)
    await refused(folder, "settlement", "KEY_FILE_OPEN", key=str(key))


async def test_the_database_of_another_chain_is_refused(folder, tmp_path) -> None:
    other = open_folder(tmp_path / "other")
    try:
        url = variables_of(other, "settlement")["SETTLEMENT_DATABASE_URL"]
        async with service_process(other, "settlement") as process:
            await process.until("/health/ready", 200)
            await end(process)
    finally:
        other.close()
    await refused(folder, "settlement", "OTHER_CHAIN", database_url=url)


async def test_a_database_that_a_newer_program_has_used_is_refused(folder, tmp_path) -> None:
    path = tmp_path / "newer.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.execute("INSERT INTO alembic_version VALUES ('9999_from_the_future')")
    connection.close()
    line = await refused(folder, "settlement", "SCHEMA_UNKNOWN", database_url=f"sqlite+aiosqlite:///{path}")
    assert "9999_from_the_future" in line


async def test_a_database_that_does_not_let_us_in_is_refused(folder) -> None:
    async with Mute(postgres_refusal("28P01", "password authentication failed")) as server:
        url = f"postgresql+asyncpg://sps:canary@127.0.0.1:{server.port}/x?ssl=disable"
        line = await refused(folder, "settlement", "DATABASE_REFUSED", database_url=url)
    assert "password authentication failed" in line
    assert "canary" not in line


async def test_provider_keys_that_cannot_be_read_are_refused_and_not_shown(folder) -> None:
    for name, setting in (("payment-gateway", "alipay_private_key"), ("sandbox", "merchant_public_key")):
        line = await refused(folder, name, "ALIPAY_KEYS_UNUSABLE", **{setting: "canary"})
        assert "canary" not in line


async def test_a_state_that_does_not_follow_from_the_chain_is_a_defect(folder) -> None:
    async with service_process(folder, "settlement") as process:
        await process.until("/health/ready", 200)
        await end(process)
    path = Path(process.variables["SETTLEMENT_DATABASE_URL"].partition("///")[2])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE block_cursor SET app_hash = zeroblob(32)")
    connection.close()
    async with service_process(folder, "settlement") as process:
        assert (await process.ended())[0] == 1
    assert process.err == ""
    assert "process.defect" in {line["event"] for line in process.lines}


async def test_secrets_may_come_from_files(folder, tmp_path) -> None:
    token = tmp_path / "token"
    token.write_text(folder.secrets.internal_token + "\n")
    how = {"without": "SETTLEMENT_INTERNAL_TOKEN", "internal_token_file": str(token)}
    async with service_process(folder, "settlement", **how) as process:
        await process.until("/health/ready", 200)
        async with httpx.AsyncClient(base_url=folder.url("settlement"), trust_env=False) as client:
            client.headers["authorization"] = f"Bearer {folder.secrets.internal_token}"
            answer = await client.get("/internal/books/trial-balance")
        assert answer.status_code == 200
        await end(process)
    assert folder.secrets.internal_token not in json.dumps(process.lines)
