"""The six steps of docs/run-a-node.md on a bare Debian, against a network of real processes over Kafka.

The machine is a root file system of debootstrap's; its programs run by chroot, the node itself as the unit runs
it: another user, nothing to write to but /var/lib/sps. The network is three validators, the services and the
sandbox; the fourth seat of the committee is the foreign machine's.
"""

import asyncio
import json
import os
import re
import signal
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import msgspec
import pytest
from platform_kit import eventually, places
from root_kit import Root, debian, inner_pid, missing, registry_environment

from sps.chain.genesis import Member, chain_id, genesis_bytes
from sps_cli.fleet import Fleet
from sps_cli.provision import WANTED, apply_topics, create_databases
from sps_cli.servers.ports import free_port
from sps_cli.state_folder import Servers, StateFolder
from sps_cli.story import Story, Tale
from sps_cli.wiring import ALL, on_servers

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "run-a-node.md").read_text(encoding="utf-8")
PATH = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent"}
HOME = "/var/lib/sps"
FOREIGN = "node-3"
READY_S = 60.0
END_S = 28.0


class Machine:
    """A bare Debian, and what is done to it. Its /var/lib/sps is a folder of the host, as a disk would be."""

    def __init__(self, work: Path) -> None:
        base = debian()
        (work / "machine" / "layer").mkdir(parents=True)
        self._root = Root(work / "machine" / "layer", (base,))
        self.home = work / "home"
        self.home.mkdir()
        self._work = work
        self.seconds: dict[str, float] = {}

    def install(self) -> None:
        """Step 1, as root, from the tree."""
        binds = {str(ROOT): "/src", "/etc/resolv.conf": "/etc/resolv.conf", str(self.home): HOME}
        self._time("1 install", lambda: self._root.run(
            ["/bin/sh", "/src/deploy/systemd/install.sh"], PATH | registry_environment(), binds=binds
        ))  # fmt: skip

    def sps(self, step: str, *words: str, fails: bool = False, **variables: str) -> str:
        """A command, as the node's user; what it said."""
        binds = {str(self.home): HOME}
        done = self._time(step, lambda: self._root.run(
            ["/opt/sps/bin/sps", *words], PATH | variables | {"COLUMNS": "200"},
            user="sps:sps", binds=binds, read_only=True, check=False,
        ))  # fmt: skip
        assert (done.returncode != 0) == fails, done.stdout
        return done.stdout

    def python(self, code: str) -> str:
        """An application on this machine."""
        binds = {str(self.home): HOME}
        words = ["/opt/sps/bin/python", "-c", code]
        return self._root.run(words, PATH, user="sps:sps", binds=binds, read_only=True).stdout

    def start(self, *words: str, log: str):
        """What the unit starts."""
        return self._root.over(self._work / log).start(
            ["/opt/sps/bin/sps", *words], PATH, user="sps:sps", binds={str(self.home): HOME},
            read_only=True, output=self._work / f"{log}.log",
        )  # fmt: skip

    def give(self, name: str, raw: bytes) -> str:
        """A file from outside; its path on the machine."""
        (self.home / name).write_bytes(raw)
        (self.home / name).chmod(0o644)
        return f"{HOME}/{name}"

    def _time(self, step: str, what):
        began = time.monotonic()
        done = what()
        self.seconds[step] = time.monotonic() - began
        return done


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """Installed once; both nodes of this file are folders on it."""
    if lacking := missing():
        pytest.fail(lacking)
    made = Machine(tmp_path_factory.mktemp("machine"))
    for parent in (made.home, *made.home.parents[:4]):
        parent.chmod(0o755)
    made.install()
    return made


@asynccontextmanager
async def network(folder, kafka, postgres, seat):
    """All but the foreign validator; the genesis names its seat."""
    servers = Servers(kafka, postgres.url)
    folder.open(any_ports=True, servers=servers)
    genesis = folder.genesis()
    members = tuple(seat if member.name == FOREIGN else member for member in genesis.validators)
    folder.genesis_path.write_bytes(genesis_bytes(msgspec.structs.replace(genesis, validators=members)))
    for name in WANTED:  # of whoever used this server before
        await postgres.drop_database(name)
    await create_databases(servers.postgres)
    await apply_topics(servers.event_log)
    fleet = Fleet(folder, on_servers(folder, servers))
    try:
        await fleet.start(names=[name for name in ALL if name != FOREIGN])
        yield fleet
    finally:
        await fleet.close()
        folder.close()
        for name in WANTED:
            await postgres.drop_database(name)


@pytest.mark.asyncio(loop_scope="session")
async def test_six_steps_lead_from_a_bare_machine_to_a_validator_and_to_a_follower(
    machine, tmp_path, kafka_server, postgres_server, kafka_prefix
):
    port, kafka = free_port(), f"kafka://{kafka_server.address}?prefix={kafka_prefix}"
    said = machine.sps(
        "2 init", "node", "init", "--name", FOREIGN, "--url", f"http://127.0.0.1:{port}", "--json"
    )
    seat = msgspec.json.decode(said, type=Member)
    folder = StateFolder(tmp_path / "state")
    async with (
        network(folder, kafka, postgres_server, seat) as fleet,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        raw = folder.genesis_path.read_bytes()
        given = {
            "genesis": machine.give("genesis.json", raw),
            "chain": chain_id(raw).hex(),
            "event-log": kafka,
        }
        join_refuses_what_is_wrong(machine, given)
        async with node(machine, "node", given, port):
            standing = json.loads(machine.sps("6 status", "node", "status", "--json"))
            assert (standing["node"]["voting"], standing["node"]["name"]) == (True, FOREIGN)
            # Three of four: without the foreign one's vote nothing would be final any more.
            await fleet.kill("node-2")
            story = Story(places(folder), Tale("foreign"), client)
            await story.tell()
            await a_follower_joins(machine, given, story, raw)
    print()  # noqa: T201 figures for whoever runs it with -s
    for step, seconds in machine.seconds.items():
        print(f"{step:24} {seconds:6.1f} s")  # noqa: T201


def join_refuses_what_is_wrong(machine, given):
    """Another chain, a key without a seat, a broker that is not there: nothing is written."""
    said = joined(machine, "node", given | {"chain": "0" * 64}, 1, fails=True)
    assert "OTHER_CHAIN" in said
    said = joined(machine, "stranger", given, free_port(), fails=True)
    assert "mount the key" in said
    said = joined(machine, "node", given | {"event-log": "kafka://127.0.0.1:1"}, free_port(), fails=True)
    assert "start the brokers" in said
    assert not (machine.home / "node" / "node.env").exists()


def joined(machine, name, given, port, *more, step="refused join", fails=False):
    words = [word for option, value in given.items() for word in (f"--{option}", value)]
    monitor = ("--monitor-port", str(free_port()))
    where = ("--folder", f"{HOME}/{name}", "--host", "127.0.0.1", "--port", str(port))
    return machine.sps(step, "node", "join", *words, *where, *monitor, *more, fails=fails)


@asynccontextmanager
async def node(machine, name, given, port, *more):
    """Joined, running, ready; at the end asked to end, and it does with code 0."""
    said = joined(machine, name, given, port, *more, step=f"4 join {name}")
    assert "next: sps node run" in said
    began = time.monotonic()
    process = machine.start("node", "run", "--folder", f"{HOME}/{name}", log=f"log-{name}")
    try:
        await ready(machine, name, process)
        machine.seconds[f"5 run {name}, ready"] = time.monotonic() - began
        yield
        os.kill(inner_pid(process), signal.SIGTERM)
        assert process.wait(END_S) == 0
    finally:
        process.kill()


async def ready(machine, name, process):
    variables = dict(
        line.split("=", 1) for line in (machine.home / name / "node.env").read_text().splitlines()[1:]
    )
    url = f"http://127.0.0.1:{variables['CONSENSUS_NODE_MONITOR_PORT']}/health/ready"

    async def said():
        assert process.poll() is None, (machine.home.parent / f"log-{name}.log").read_text()[-3_000:]
        with suppress(httpx.TransportError):
            async with httpx.AsyncClient(trust_env=False) as client:
                answer = await client.get(url)
                return "" if answer.is_success else answer.text
        return "nobody answers"

    await eventually(said, READY_S)


async def a_follower_joins(machine, given, story, raw):
    """Later, with any key; an application believes what it serves by the genesis alone."""
    port = free_port()
    place = ("--folder", f"{HOME}/follower")
    machine.sps("2 init", "node", "init", "--name", "f", "--url", f"http://127.0.0.1:{port}", *place)
    async with node(machine, "follower", given, port, "--follower"):
        highest = (await story._client.get(f"http://127.0.0.1:{port}/v1/status")).json()
        assert (highest["voting"], highest["name"], highest["chain"]) == (False, "follower", given["chain"])

        async def caught_up():
            standing = json.loads(machine.sps("6 status", "node", "status", "--json", *place))
            behind = standing["highest"] - standing["node"]["executed_height"]
            return "" if standing["ready"] and standing["peers"] >= 2 and behind <= 2 else str(standing)

        await eventually(caught_up, READY_S)
        proof = machine.give("proof.json", story.tale.proof)
        said = machine.sps(
            "6 proof verify", "proof", "verify", proof, "--genesis", given["genesis"], "--json"
        )
        report = json.loads(said)
        assert report["valid"]
        seen = await asyncio.to_thread(machine.python, application(port, given["genesis"]))
        assert int(seen) >= report["report"]["highest_height"]


def application(port: int, genesis: str) -> str:
    """The program of the page, as it stands there, at this node's address."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert "http://127.0.0.1:8101" in code
    assert "/var/lib/sps/node/genesis.json" in code
    return code.replace("http://127.0.0.1:8101", f"http://127.0.0.1:{port}").replace(
        "/var/lib/sps/node/genesis.json", genesis
    )
