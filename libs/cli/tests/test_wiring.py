"""Every process is told the same, whether by arguments or by its environment."""

import json
import stat

import pytest

from sps.runtime.environment import read_environment
from sps.runtime.errors import Refusal
from sps_cli.fleet import foreign_environment
from sps_cli.state_folder import NEAR, PREFERRED, FolderInUse, OtherServers, Servers, StateFolder
from sps_cli.wiring import (
    ALL,
    NODES,
    SERVICES,
    Backends,
    Wiring,
    backends_of,
    collector_at,
    environment,
    on_servers,
    servers_at,
)

SERVERS = Servers("kafka://broker:9092", "postgresql+asyncpg://sps:se%40cret@db:5432/postgres")


@pytest.fixture
def folder(tmp_path):
    folder = StateFolder(tmp_path)
    folder.open(any_ports=True)
    yield folder
    folder.close()


@pytest.mark.parametrize("name", ALL)
def test_the_environment_of_a_process_reads_back_as_its_settings(folder, name):
    settings = Wiring(folder, backends_of(folder)).settings(name)
    reading = read_environment(type(settings), environment(settings))
    assert reading.problems == ()
    assert reading.settings == settings


def test_secrets_and_lists_stand_in_the_environment_as_services_read_them(folder):
    wiring = Wiring(folder, backends_of(folder))
    payment = environment(wiring.payment())
    assert payment["PAYMENT_GATEWAY_STRIPE_SECRET_KEY"] == folder.secrets.stripe_secret_key
    assert json.loads(payment["PAYMENT_GATEWAY_STRIPE_WEBHOOK_SECRETS"]) == [
        folder.secrets.stripe_webhook_secret
    ]
    floats = json.loads(environment(wiring.sandbox())["SANDBOX_FLOATS"])
    assert {(each["provider"], each["currency"]) for each in floats} >= {("alipay", "CNY")}
    assert environment(wiring.api())["CONTRACT_API_OPEN_REGISTRATION"] == "true"


def test_nobody_shares_a_port_or_a_database(folder):
    wiring = Wiring(folder, on_servers(folder, SERVERS))
    told = [wiring.settings(name) for name in ALL]
    ports = [port for each in told for port in (each.port, each.monitor_port)]
    assert len(set(ports)) == 2 * len(ALL)
    databases = {wiring.database(name) for name in SERVICES}
    assert databases == {
        f"postgresql+asyncpg://sps:se%40cret@db:5432/sps_{name.replace('-', '_')}" for name in SERVICES
    }
    assert wiring.database("sandbox") == folder.database("sandbox")


def test_a_route_changes_the_way_of_one_process_alone(folder):
    usual = on_servers(folder, SERVERS)
    wiring = Wiring(folder, usual, {"settlement": Backends("kafka://proxy:1", lambda name: f"db of {name}")})
    assert wiring.settlement().event_log == "kafka://proxy:1"
    assert wiring.settlement().database_url == "db of settlement"
    assert {wiring.settings(name).event_log for name in (*NODES, "contract-api")} == {SERVERS.event_log}


def test_a_service_inherits_no_setting_of_ours(monkeypatch):
    monkeypatch.setenv("CONTRACT_API_PORT", "1")
    monkeypatch.setenv("sandbox_port", "2")
    monkeypatch.setenv("SPS_SOMETHING", "3")
    inherited = foreign_environment()
    assert "SPS_SOMETHING" in inherited
    assert not {"CONTRACT_API_PORT", "sandbox_port"} & inherited.keys()


def test_a_folder_on_servers_remembers_them_for_its_owner_alone(tmp_path):
    folder = StateFolder(tmp_path)
    folder.open(any_ports=True, servers=SERVERS)
    folder.close()
    again = StateFolder(tmp_path)
    again.open(servers=None)
    assert again.servers == SERVERS
    assert backends_of(again).event_log == SERVERS.event_log
    assert stat.S_IMODE((tmp_path / "servers.json").stat().st_mode) == 0o600
    again.close()


@pytest.mark.parametrize("other", [Servers(), Servers("kafka://elsewhere:1", SERVERS.postgres)])
def test_a_folder_is_refused_other_servers_than_its_own(tmp_path, other):
    folder = StateFolder(tmp_path)
    folder.open(any_ports=True, servers=SERVERS)
    folder.close()
    with pytest.raises(OtherServers, match="without naming any"):
        StateFolder(tmp_path).open(servers=other)
    folder.open(servers=SERVERS)  # the refusal gave the lock back
    with pytest.raises(FolderInUse):
        StateFolder(tmp_path).open()
    folder.close()


def test_an_embedded_folder_does_not_move_to_servers(tmp_path):
    folder = StateFolder(tmp_path)
    folder.open(any_ports=True)
    folder.close()
    with pytest.raises(OtherServers, match="made without servers"):
        StateFolder(tmp_path).open(servers=SERVERS)


def test_whoever_shares_a_machine_is_near(tmp_path):
    found = {}
    for name, servers in (("near", None), ("apart", SERVERS)):
        folder = StateFolder(tmp_path / name)
        folder.open(any_ports=True, servers=servers)
        found[name] = folder.genesis().parameters
        folder.close()
    assert found == {"near": NEAR, "apart": NEAR}


def test_ports_that_an_older_folder_lacks_are_added_and_the_others_stay(tmp_path):
    folder = StateFolder(tmp_path)
    folder.open(any_ports=True)
    old = {name: port for name, port in folder.ports.items() if not name.endswith(".monitor")}
    folder.close()
    (tmp_path / "ports.json").write_text(json.dumps(old))
    (tmp_path / "servers.json").unlink()
    folder.open()
    assert folder.ports.keys() == PREFERRED.keys()
    assert old.items() <= folder.ports.items()
    assert len(set(folder.ports.values())) == len(PREFERRED)
    assert folder.servers == Servers()
    folder.close()


def test_addresses_are_read_as_people_type_them():
    assert servers_at("", "") == Servers()
    assert servers_at("one:9092,two:9092", "postgres://sps@db/postgres") == Servers(
        "kafka://one:9092,two:9092", "postgresql+asyncpg://sps@db/postgres"
    )
    assert servers_at("kafka://one:9092?prefix=x.", "postgresql+asyncpg://db/a").event_log.endswith(
        "?prefix=x."
    )


@pytest.mark.parametrize(
    ("kafka", "postgres", "code"),
    [
        ("one:9092", "", "ONE_SERVER"),
        ("", "postgres://db/a", "ONE_SERVER"),
        ("sqlite:///x", "postgres://db/a", "BAD_ADDRESS"),
        ("one:9092", "mysql://db/a", "BAD_ADDRESS"),
        ("one:9092", "db/a", "BAD_ADDRESS"),
    ],
)
def test_half_a_pair_or_a_strange_address_is_refused(kafka, postgres, code):
    with pytest.raises(Refusal) as refused:
        servers_at(kafka, postgres)
    assert refused.value.code == code


def test_everybody_is_told_where_traces_go_or_nobody(folder):
    url = "http://127.0.0.1:4318"
    told = {
        name: Wiring(folder, backends_of(folder), trace_endpoint=url).settings(name)
        for name in (*NODES, *SERVICES)
    }
    assert {settings.trace_endpoint for settings in told.values()} == {url}
    assert environment(told["settlement"])["SETTLEMENT_TRACE_ENDPOINT"] == url
    assert "SETTLEMENT_TRACE_ENDPOINT" not in environment(Wiring(folder, backends_of(folder)).settlement())


@pytest.mark.parametrize("url", ["collector:4318", "http://", "http://a b", "http://user@collector"])
def test_what_is_no_address_of_a_collector_is_refused(url):
    with pytest.raises(Refusal):
        collector_at(url)
    assert collector_at("http://127.0.0.1:4318") == "http://127.0.0.1:4318"
    assert collector_at("") == ""
