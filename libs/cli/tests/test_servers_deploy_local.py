"""What stands in deploy/local for a person fits the servers that every test runs on."""

import base64
import os
import re
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from sps_cli.servers import kafka_settings, postgres
from sps_cli.servers.kafka_jars import kafka_version
from sps_cli.servers.kafka_settings import properties
from sps_cli.servers.ports import free_port, is_free

LOCAL = Path(__file__).parents[3] / "deploy" / "local"
READY_S = 180.0
END_S = 90.0
OF_THE_IMAGE = {"CLUSTER_ID", "KAFKA_HEAP_OPTS"}
"""Not settings of the server."""


@pytest.fixture
def compose():
    return yaml.safe_load((LOCAL / "compose.yaml").read_text())


def settings_of(environment):
    """As the image maps them: KAFKA_LOG_DIRS is log.dirs."""
    names = environment.keys() - OF_THE_IMAGE
    assert all(name.startswith("KAFKA_") for name in names)
    return {name.removeprefix("KAFKA_").lower().replace("_", "."): environment[name] for name in names}


def listeners(text):
    return dict(each.split("://") for each in text.split(","))


def test_the_file_is_made_of_known_parts_and_all_values_are_text(compose):
    assert compose.keys() == {"name", "services", "volumes"}
    assert compose["services"].keys() == {"kafka", "postgres"}
    for service in compose["services"].values():
        assert service.keys() <= {"image", "ports", "environment", "command", "volumes", "healthcheck"}
        assert all(isinstance(value, str) for value in service["environment"].values())
        assert service["healthcheck"].keys() == {"test", "interval", "timeout", "retries"}
        assert service["healthcheck"]["test"][0] == "CMD"
        (volume,) = service["volumes"]
        assert volume.split(":")[0] in compose["volumes"]


def test_the_containers_are_open_to_this_machine_only(compose):
    for service in compose["services"].values():
        (port,) = service["ports"]
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


def test_the_images_are_of_the_versions_that_are_tested(compose):
    assert compose["services"]["kafka"]["image"] == f"apache/kafka:{kafka_version()}"
    assert re.fullmatch(r"postgres:\d+", compose["services"]["postgres"]["image"])


def test_kafka_in_a_container_has_the_settings_of_our_own(compose):
    settings = settings_of(compose["services"]["kafka"]["environment"])
    assert settings.items() >= kafka_settings.SETTINGS.items()
    ours = dict(line.split("=", 1) for line in properties(Path("data"), 1, 2, {}).splitlines())
    assert settings.keys() - ours.keys() == {"controller.quorum.voters"}
    assert ours.keys() - settings.keys() == {"controller.quorum.bootstrap.servers"}
    assert listeners(settings["listeners"]).keys() == {"PLAINTEXT", "CONTROLLER"}


def test_kafka_in_a_container_sends_its_clients_to_the_port_that_is_open(compose):
    kafka = compose["services"]["kafka"]
    settings = settings_of(kafka["environment"])
    host, outside, inside = kafka["ports"][0].split(":")
    assert listeners(settings["advertised.listeners"]) == {"PLAINTEXT": f"{host}:{outside}"}
    assert listeners(settings["listeners"])["PLAINTEXT"] == f":{inside}"
    controller = listeners(settings["listeners"])["CONTROLLER"]
    assert settings["controller.quorum.voters"] == f"{settings['node.id']}@{controller}"
    assert len(base64.urlsafe_b64decode(kafka["environment"]["CLUSTER_ID"] + "==")) == 16
    assert settings["log.dirs"] == kafka["volumes"][0].split(":")[1]


def test_postgres_in_a_container_has_the_settings_of_our_own(compose):
    service = compose["services"]["postgres"]
    program, *options = service["command"]
    assert program == "postgres"
    assert options[::2] == ["-c"] * len(postgres.SETTINGS)
    assert dict(each.split("=") for each in options[1::2]) == postgres.SETTINGS
    assert service["environment"]["POSTGRES_USER"] == postgres.USER


def test_both_ways_have_the_same_addresses_and_the_readme_says_them(compose):
    script, readme = (LOCAL / "run.sh").read_text(), (LOCAL / "README.md").read_text()
    for name, service in compose["services"].items():
        outside = service["ports"][0].split(":")[1]
        assert f"${{{name.upper()}_PORT:-{outside}}}" in script
        assert f"| `{name.upper()}_PORT` | {outside} |" in readme
        assert f"127.0.0.1:{outside}" in readme


def test_the_script_can_be_run_and_reads_well():
    assert os.access(LOCAL / "run.sh", os.X_OK)
    subprocess.run(["bash", "-n", LOCAL / "run.sh"], check=True)  # noqa: S603, S607 only read, by the shell on the path


@pytest.mark.fleet
def test_the_script_starts_everything_and_ctrl_c_ends_it_in_order(tmp_path):
    said = tmp_path / "said"
    ports = {"KAFKA_PORT": str(free_port()), "POSTGRES_PORT": str(free_port())}
    with said.open("wb") as out:
        script = subprocess.Popen(  # noqa: S603 our own script
            [LOCAL / "run.sh", "--any-ports"],
            env=os.environ | {"STATE": str(tmp_path / "state")} | ports,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        end = time.monotonic() + READY_S
        while "Open in a browser" not in said.read_text():
            assert script.poll() is None, said.read_text()
            assert time.monotonic() < end, said.read_text()
            time.sleep(0.1)
        assert ports["KAFKA_PORT"] in (tmp_path / "state" / "servers" / "addresses.env").read_text()
        os.killpg(script.pid, signal.SIGINT)
        assert script.wait(END_S) == 0, said.read_text()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(script.pid, signal.SIGKILL)
    assert not (tmp_path / "state" / "servers" / "addresses.env").exists()
    assert all(is_free(int(port)) for port in ports.values())
