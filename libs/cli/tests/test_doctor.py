"""The doctor finds each fault that was made, names it, says what to do, and changes nothing."""

import json
import socket
import sqlite3
import sys
import time

import asyncpg
import pytest
from process_kit import Mute, open_folder, postgres_refusal, variables_of

from sps.eventlog import kafka_topics
from sps.runtime.errors import Refusal
from sps.runtime.migrations import upgrade
from sps_cli import doctor
from sps_cli.checkup import database as database_looks
from sps_cli.checkup.findings import Finding, Report
from sps_cli.checkup.services import PATIENTS

NAMES = {"consensus-node": "node-0"}
ALL = tuple(PATIENTS)


@pytest.fixture
def folder(tmp_path):
    made = open_folder(tmp_path / "state")
    yield made
    made.close()


@pytest.fixture
def variables(folder) -> dict[str, str]:
    """Good ones of all services."""
    found: dict[str, str] = {}
    for name in ALL:
        found |= variables_of(folder, NAMES.get(name, name))
    return found


async def examine(variables: dict[str, str], *names: str) -> list[Finding]:
    return await doctor.examine(doctor.chosen(names, variables), variables)


async def ills(variables: dict[str, str], *names: str) -> list[Finding]:
    """What is wrong; each with what to do."""
    found = [each for each in await examine(variables, *names) if each.verdict == "wrong"]
    assert all(each.advice for each in found)
    return found


async def the_ill(variables: dict[str, str], *names: str) -> Finding:
    """The one thing that is wrong."""
    (ill,) = await ills(variables, *names)
    return ill


async def test_who_is_well_is_called_well_and_nothing_is_made(folder, variables) -> None:
    before = sorted(folder.path.rglob("*"))
    findings = await examine(variables)
    assert {each.verdict for each in findings} <= {"ok", "note"}
    assert {each.service for each in findings} == set(ALL)
    assert sorted(folder.path.rglob("*")) == before


async def test_all_faults_are_said_at_once(variables, tmp_path) -> None:
    del variables["SETTLEMENT_INTERNAL_TOKEN"]
    variables |= {
        "SETTLEMENT_SPREAD": "5",
        "SETTLEMENT_RATES_EVERY_S": "0",
        "SETTLEMENT_GENESIS": str(tmp_path / "missing"),
        "SETTLEMENT_DATABASE_URL": "postgresql+asyncpg://sps:canary@127.0.0.1:1/x",
        "SETTLEMENT_EVENT_LOG": "kafka://127.0.0.1:1",
    }
    found = await ills(variables, "settlement")
    assert [each.about for each in found] == ["settings"] * 3 + ["genesis", "database", "event_log"]
    told = " ".join(each.found for each in found)
    for words in ("is SETTLEMENT_SPREAD_BP meant?", "INTERNAL_TOKEN: it must be given", "RATES_EVERY_S: "):
        assert words in told
    assert "canary" not in told


async def test_a_key_that_others_may_read_or_that_is_somebody_elses_is_found(folder, variables) -> None:
    key = folder.key("settlement")
    key.chmod(0o640)
    assert "chmod 600" in (await the_ill(variables, "settlement")).advice
    key.chmod(0o600)
    for service in ("settlement", "consensus-node"):
        prefix = service.upper().replace("-", "_")
        changed = variables | {f"{prefix}_KEY": str(folder.key("contract-api"))}
        assert "is not the key of" in (await the_ill(changed, service)).found
    variables["SETTLEMENT_KEY"] += "x"
    assert (await the_ill(variables, "settlement")).about == "key"


@pytest.mark.parametrize("content", [None, b"{}", b"\xff"])
async def test_a_genesis_that_cannot_be_used_is_found(variables, tmp_path, content) -> None:
    path = tmp_path / "genesis.json"
    if content is not None:
        path.write_bytes(content)
    variables["CONSENSUS_NODE_GENESIS"] = str(path)
    assert (await the_ill(variables, "consensus-node")).about == "genesis"


async def test_a_port_that_is_taken_or_given_twice_is_found(variables) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        variables["SANDBOX_MONITOR_PORT"] = str(other.getsockname()[1])
        assert (await the_ill(variables, "sandbox")).about == "monitor_port"
    variables["SANDBOX_MONITOR_PORT"] = variables["SETTLEMENT_PORT"]
    twice = await the_ill(variables, "settlement", "sandbox")
    assert (twice.service, twice.about) == ("sandbox", "monitor_port")


async def test_live_keys_and_strangers_want_https(variables) -> None:
    live = variables | {"CONTRACT_API_LIVE": "true"}
    assert (await the_ill(live, "contract-api")).about == "public_url"
    assert not await ills(live | {"CONTRACT_API_PUBLIC_URL": "https://pay.example"}, "contract-api")
    abroad = variables | {"CARRIER_GATEWAY_PUBLIC_URL": "http://pay.example"}
    assert (await the_ill(abroad, "carrier-gateway")).about == "public_url"


async def test_a_folder_without_the_memory_of_its_votes_is_found(folder, variables) -> None:
    data = folder.path / "nodes" / "node-0"
    data.mkdir(parents=True, exist_ok=True)
    (data / "blocks.log").touch()
    assert "write-ahead log" in (await the_ill(variables, "consensus-node")).found
    variables["CONSENSUS_NODE_DATA"] = "/dev/null/x"
    assert (await the_ill(variables, "consensus-node")).about == "data"


async def test_provider_keys_that_cannot_be_read_are_found_and_not_shown(variables) -> None:
    variables["PAYMENT_GATEWAY_ALIPAY_PRIVATE_KEY"] = "canary"
    ill = await the_ill(variables, "payment-gateway")
    assert ill.about == "providers"
    assert "canary" not in ill.found


async def test_services_that_do_not_belong_together_are_found(variables, tmp_path) -> None:
    variables["SETTLEMENT_INTERNAL_TOKEN"] = "another-internal-token"
    ill = await the_ill(variables, "settlement", "contract-api")
    assert (ill.service, ill.about) == ("all", "internal_token")


# --- databases --------------------------------------------------------------------------------------


async def test_tables_of_an_unknown_revision_or_behind_are_found_in_a_file(variables, tmp_path) -> None:
    path = tmp_path / "books.sqlite"
    url = variables["SETTLEMENT_DATABASE_URL"] = f"sqlite+aiosqlite:///{path}"
    await upgrade(url, "settlement", "0001")
    (note,) = [each for each in await examine(variables, "settlement") if each.about == "tables"]
    assert note.verdict == "note"
    assert "behind" in note.found
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'future'")
    connection.close()
    assert "future" in (await the_ill(variables, "settlement")).found
    path.write_bytes(b"no database" * 100)
    assert (await the_ill(variables, "settlement")).about == "database"


async def test_a_database_on_a_server_is_looked_at_in_depth(variables, postgres_database) -> None:
    variables["SETTLEMENT_DATABASE_URL"] = postgres_database
    found = {each.about: each for each in await examine(variables, "settlement")}
    assert {found[about].verdict for about in ("database", "clock")} == {"ok"}
    assert found["tables"].verdict == "note"
    await upgrade(postgres_database, "settlement")
    found = {each.about: each for each in await examine(variables, "settlement")}
    assert found["tables"].verdict == "ok"
    connection = await asyncpg.connect(postgres_database.replace("+asyncpg", ""))
    await connection.execute("UPDATE alembic_version SET version_num = 'future'")
    await connection.close()
    assert "future" in (await the_ill(variables, "settlement")).found


async def test_a_database_that_does_not_exist_is_found(variables, postgres_database) -> None:
    variables["SETTLEMENT_DATABASE_URL"] = postgres_database.rpartition("/")[0] + "/nowhere"
    ill = await the_ill(variables, "settlement")
    assert "nowhere" in ill.found
    assert "CREATE DATABASE" in ill.advice


async def test_a_clock_that_differs_from_the_servers_is_found(
    variables, postgres_database, monkeypatch
) -> None:
    variables["SETTLEMENT_DATABASE_URL"] = postgres_database
    monkeypatch.setattr(database_looks.time, "time", lambda real=time.time: real() - 60)
    ill = await the_ill(variables, "settlement")
    assert ill.about == "clock"
    assert "behind" in ill.found


@pytest.mark.parametrize(("ahead_s", "verdict"), [(0.0, "ok"), (1.9, "ok"), (-2.1, "wrong"), (2.1, "wrong")])
def test_two_seconds_are_the_bound(ahead_s, verdict) -> None:
    report = Report("x")
    database_looks.look_at_clock(report, ahead_s, "the database's")
    assert [each.verdict for each in report.findings] == [verdict]


async def test_a_wrong_password_and_a_server_that_says_nothing_are_found(variables, monkeypatch) -> None:
    async with Mute(postgres_refusal("28P01", "password authentication failed")) as server:
        variables["SETTLEMENT_DATABASE_URL"] = (
            f"postgresql+asyncpg://sps:canary@127.0.0.1:{server.port}/x?ssl=disable"
        )
        ill = await the_ill(variables, "settlement")
    assert ill.advice == "give the right user and password"
    assert "canary" not in ill.found
    monkeypatch.setattr(database_looks, "CONNECT_S", 0.1)
    async with Mute() as server:
        variables["SETTLEMENT_DATABASE_URL"] = f"postgresql+asyncpg://sps@127.0.0.1:{server.port}/x"
        assert "TimeoutError" in (await the_ill(variables, "settlement")).found


@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "postgresql://x/y"])
async def test_an_address_that_is_none_is_found(variables, url) -> None:
    variables["SETTLEMENT_DATABASE_URL"] = url
    assert (await the_ill(variables, "settlement")).about == "database_url"


# --- event log --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "words"),
    [("", "not given"), ("redis://x", "kafka://"), ("sqlite:////nowhere/log", "cannot be written")],
)
async def test_an_event_log_that_cannot_be_is_found(variables, address, words) -> None:
    variables["CONSENSUS_NODE_EVENT_LOG"] = address
    assert words in (await the_ill(variables, "consensus-node")).found


async def test_topics_that_are_missing_are_found_and_then_fit(variables, kafka_server, kafka_prefix) -> None:
    address = f"kafka://{kafka_server.address}?prefix={kafka_prefix}"
    variables["CONSENSUS_NODE_EVENT_LOG"] = address
    missing = await ills(variables, "consensus-node")
    assert {each.about for each in missing} == {"topics"}
    assert {each.advice for each in missing} == {"sps topics apply"}
    await kafka_topics.apply(address, replication=1)
    assert not await ills(variables, "consensus-node")
    variables["CONSENSUS_NODE_EVENT_LOG"] = address + "&replication=3"
    different = await ills(variables, "consensus-node")
    assert all("replication" in each.found or "in" in each.found for each in different)
    assert different


# --- the command ------------------------------------------------------------------------------------


def test_who_has_no_variables_is_not_examined() -> None:
    with pytest.raises(Refusal, match="NOTHING_TO_EXAMINE"):
        doctor.chosen((), {"PATH": "/bin"})
    with pytest.raises(Refusal, match="NO_SUCH_SERVICE"):
        doctor.chosen(("nobody",), {})
    assert [each.name for each in doctor.chosen((), {"SANDBOX_PORT": "1"})] == ["sandbox"]


def test_the_command_tells_people_and_machines(folder, monkeypatch, capfdbinary) -> None:
    variables = variables_of(folder, "sandbox")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert doctor.run((), as_json=False) == 0
    assert "all is well" in capfdbinary.readouterr().out.decode()
    monkeypatch.setenv("SANDBOX_PROT", "1")
    assert doctor.run(("sandbox",), as_json=True) == 1
    told = json.loads(capfdbinary.readouterr().out)
    assert told["well"] is False
    assert "is SANDBOX_PORT meant?" in told["findings"][0]["found"]
    assert doctor.run(("sandbox",), as_json=False) == 1
    assert "not ready to start" in capfdbinary.readouterr().out.decode()
    assert sys.stdout is not None


async def test_a_collector_of_traces_is_looked_for_and_its_absence_is_no_fault(variables) -> None:
    async def verdicts(endpoint: str, share: str = "1") -> list[tuple[str, str]]:
        told = {"SETTLEMENT_TRACE_ENDPOINT": endpoint, "SETTLEMENT_TRACE_SHARE": share}
        found = await examine(variables | told, "settlement")
        return [(each.about, each.verdict) for each in found if each.about.startswith("trace")]

    with socket.create_server(("127.0.0.1", 0)) as there:
        url = f"http://127.0.0.1:{there.getsockname()[1]}"
        assert await verdicts(url) == [("trace_endpoint", "ok")]
        assert await verdicts(url, "0") == [("trace_endpoint", "ok"), ("trace_share", "note")]
    assert await verdicts(url) == [("trace_endpoint", "note")]
    assert await verdicts("http://127.0.0.1:99999") == [("trace_endpoint", "note")]
    assert await verdicts("") == []
    assert await ills(variables | {"SETTLEMENT_TRACE_ENDPOINT": url}, "settlement") == []
