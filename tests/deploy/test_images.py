"""The Containerfile's own lines, carried out into root file systems; then every service lives in its own, read-only,
as 10001, over real Kafka and PostgreSQL, and Alice's story is told through them.

No container engine takes part: see deploy/images/README.md for what that leaves open.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import httpx
import pytest
from containerfile_kit import Builder, stages
from platform_kit import check_the_end, places
from root_kit import bytes_of, debian, inner_pid, missing

from sps_cli.fleet import PACKAGES
from sps_cli.provision import apply_topics, create_databases
from sps_cli.state_folder import Servers, StateFolder
from sps_cli.story import Story, Tale
from sps_cli.wiring import ALL, PORT_OF, Wiring, environment, on_servers

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(1_500)]

ROOT = Path(__file__).parents[2]
FILE = (ROOT / "deploy" / "images" / "Containerfile").read_text(encoding="utf-8")
SERVICES = ("contract-api", "consensus-node", "carrier-gateway", "payment-gateway", "settlement", "sandbox")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
READY_S = 120.0
END_S = 28.0
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """All of them, and how long that took."""
    if lacking := missing():
        pytest.fail(lacking)
    context, work = tmp_path_factory.mktemp("context"), tmp_path_factory.mktemp("images")
    for name in tracked():
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, context / name)
    began = time.monotonic()
    base = debian()
    made = time.monotonic()
    # The archive as it stands today: the snapshot of the base image's day is not reached from every machine.
    builder = Builder(FILE, context, base, work, {"SPS_COMMIT": COMMIT, "DEBIAN_PACKAGES": "live"})
    for target in (*SERVICES, "sps"):
        builder.build(target)
    print(f"\ndebootstrap {made - began:.0f} s, all stages {time.monotonic() - made:.0f} s")  # noqa: T201 figures for whoever runs it with -s
    for name, image in builder.built.items():
        print(f"{name:16} layer {bytes_of(image.root.top) / MIB:6.1f} MiB")  # noqa: T201 figures for whoever runs it with -s
    return builder.built


def tracked() -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()  # noqa: S603 fixed words
    return [name for name in listed if (ROOT / name).is_file()]


def test_there_is_a_target_for_each_service_and_one_for_the_command():
    found = stages(FILE)
    modules = {name: PACKAGES.get(name, "consensus_node") for name in SERVICES}
    for name, module in modules.items():
        assert ("ENTRYPOINT", f'["python", "-m", "{module}"]') in found[name].lines
    assert set(found) == {"", "debian", "build", "runtime", "sps", *SERVICES}
    assert [stage.base for name, stage in found.items() if name in {*SERVICES, "sps"}] == ["runtime"] * 7


def test_the_base_is_pinned_by_day_and_digest():
    ((word, text),) = stages(FILE)[""].lines
    assert word == "ARG"
    name, _, image = text.partition("=")
    assert stages(FILE)["debian"].base == f"${{{name}}}"
    tag, digest = image.split("@sha256:")
    assert tag.rsplit("-", 2)[1].isdigit()
    assert len(bytes.fromhex(digest)) == 32


def test_an_image_holds_its_service_and_nothing_that_builds(images):
    for name in SERVICES:
        image = images[name]
        module = PACKAGES.get(name, "consensus_node")
        others = {PACKAGES.get(each, "consensus_node") for each in SERVICES} - {module}
        code = (
            "import importlib.util as u, os, sys\n"
            f"assert u.find_spec({module!r})\n"
            f"assert not [x for x in {sorted(others)!r} + ['pip', 'setuptools', 'sps_cli'] if u.find_spec(x)]\n"
            "assert (os.getuid(), os.getgid(), os.getgroups()) == (10001, 10001, [10001])\n"
            f"assert os.environ['SPS_COMMIT'] == {COMMIT!r}\n"
            "assert os.path.getsize('/usr/share/doc/sps/sbom.cdx.json')\n"
            "assert [line for line in open('/proc/self/status') if line.startswith('NoNewPrivs')] == ['NoNewPrivs:\\t1\\n']\n"
            "try: open('/opt/sps/x', 'w')\n"
            "except OSError as e: assert e.errno == 30 or e.errno == 13, e\n"
            "else: raise AssertionError\n"
            "print(sys.prefix)"
        )
        said = image.root.run(
            ["python", "-c", code], image.environment, user=image.user, workdir=image.workdir, read_only=True
        )
        assert said.stdout.strip() == "/opt/sps"
        assert image.labels["org.opencontainers.image.revision"] == COMMIT


def test_the_image_of_the_command_runs_it(images):
    image = images["sps"]
    said = image.root.run([*image.entrypoint, "doctor"], image.environment, user=image.user, check=False)
    assert said.returncode == 1
    assert "NOTHING_TO_EXAMINE" in said.stdout


@pytest.mark.asyncio(loop_scope="session")
async def test_the_story_is_told_by_services_that_live_in_their_images(
    images, tmp_path, kafka_server, postgres_server, kafka_prefix
):
    folder = StateFolder(tmp_path / "state")
    servers = Servers(f"kafka://{kafka_server.address}?prefix={kafka_prefix}", postgres_server.url)
    folder.open(any_ports=True, servers=servers)
    await create_databases(servers.postgres)
    await apply_topics(servers.event_log)
    folder.provider_keys()
    wiring = Wiring(folder, on_servers(folder, servers))
    living = {}
    try:
        settings = {name: environment(wiring.settings(name)) for name in ALL}
        give(folder.path)
        for parent in (tmp_path, *tmp_path.parents[:4]):
            parent.chmod(0o755)
        for name, variables in settings.items():
            living[name] = alive(images, name, variables, folder, tmp_path)
        async with httpx.AsyncClient(trust_env=False, timeout=5.0) as client:
            for name, process in living.items():
                await until_ready(client, folder, name, process, tmp_path)
            story = Story(places(folder), Tale("images"), client)
            await story.tell()
            await check_the_end(folder, story)
            metrics = (await client.get(folder.url("api.monitor") + "/metrics")).text
            assert f'commit="{COMMIT}"' in metrics
        ends = {name: ended(process) for name, process in living.items()}
        for name, (code, took) in ends.items():
            print(f"{name:16} SIGTERM: {code} after {took:.1f} s")  # noqa: T201 figures for whoever runs it with -s
        assert {code for code, _ in ends.values()} == {0}
    finally:
        for process in living.values():
            process.kill()
        folder.close()


def give(folder: Path) -> None:
    """To the user of the images."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 10001, 10001)


def alive(images, name, variables, folder, logs):
    """Process 1 of a namespace of its own; only the state folder can be written to."""
    image = images["consensus-node" if name.startswith("node-") else name]
    container = image.root.over(logs / "containers" / name)
    no_shell = logs / "no-shell"
    no_shell.touch()
    return container.start(
        image.entrypoint, image.environment | variables, user=image.user, workdir=image.workdir,
        binds={str(folder.path): str(folder.path), "/dev/null": "/usr/bin/dash", str(no_shell): "/usr/bin/bash"},
        read_only=True, output=logs / f"{name}.log",
    )  # fmt: skip


async def until_ready(client, folder, name, process, logs):
    url = folder.url(f"{PORT_OF[name]}.monitor") + "/health/ready"
    end = time.monotonic() + READY_S
    while True:
        log = (logs / f"{name}.log").read_text()[-3_000:]
        assert process.poll() is None, f"{name} has ended: {log}"
        assert time.monotonic() < end, f"{name} is not ready: {log}"
        try:
            if (await client.get(url)).is_success:
                return
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.2)


def ended(process) -> tuple[int, float]:
    """SIGTERM to process 1 of its namespace; its exit code and how long it took."""
    began = time.monotonic()
    os.kill(inner_pid(process), signal.SIGTERM)
    return process.wait(END_S), time.monotonic() - began
