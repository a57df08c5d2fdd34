"""`sps node` without a network: the key stays, the settings read back, and each thing said by others is judged."""

import json

import pytest
from chain_kit import make_genesis
from node_kit import seed_of

from sps.chain.genesis import Member, chain_id, genesis_bytes
from sps.runtime.errors import Refusal
from sps.runtime.keys import load_seed
from sps.signing import Signer
from sps_cli.checkup.findings import Report
from sps_cli.node.folder import NodeFolder
from sps_cli.node.joining import Wish, join, others
from sps_cli.node.network import Heard, Standing, look_at_network
from sps_cli.node.seat import init

URL = "http://node.example:8101"


@pytest.fixture
def genesis():
    return make_genesis(4)


def test_init_makes_a_key_once_and_prints_the_entry_of_its_seat(tmp_path, capsys):
    place = NodeFolder(tmp_path / "node")
    init(place.path, "acme", URL, 1, as_json=True)
    first = json.loads(capsys.readouterr().out)
    assert first == {
        "name": "acme",
        "public_key": Signer(load_seed(place.key)).public_key.hex(),
        "url": URL,
        "weight": 1,
    }
    assert Member(**first).key == Signer(load_seed(place.key)).public_key
    assert place.key.stat().st_mode & 0o777 == 0o600
    init(place.path, "acme", URL, 1, as_json=False)
    again = capsys.readouterr().out
    assert f"kept {place.key}" in again
    assert first["public_key"] in again
    assert load_seed(place.key).hex() not in again


def test_init_refuses_an_entry_that_no_genesis_would_take(tmp_path):
    with pytest.raises(Refusal) as caught:
        init(tmp_path / "node", "acme", URL + "x" * 256, 1, as_json=True)
    assert caught.value.code == "BAD_ENTRY"


def test_settings_read_back_whatever_they_hold(tmp_path):
    place = NodeFolder(tmp_path)
    variables = {
        "A": "kafka://h:1?prefix=x.&replication=3",
        "B": '["one", "two"]',
        "C": "it's $HOME #1",
        "D": "",
    }
    place.write_environment(variables)
    assert place.environment() == variables
    assert place.settings.stat().st_mode & 0o777 == 0o600


def test_a_node_that_has_not_joined_is_told_so(tmp_path):
    with pytest.raises(Refusal) as caught:
        NodeFolder(tmp_path).environment()
    assert caught.value.code == "NOT_JOINED"


def wish(tmp_path, genesis, chain):
    path = tmp_path / "genesis.json"
    path.write_bytes(genesis_bytes(genesis))
    return Wish(path, chain, "kafka://127.0.0.1:1", True, "127.0.0.1", 1, "127.0.0.1", 2, {})


def test_a_genesis_of_another_name_is_refused_before_anything_else(tmp_path, genesis):
    with pytest.raises(Refusal) as caught:
        join(tmp_path / "node", wish(tmp_path, genesis, "0" * 64))
    assert caught.value.code == "OTHER_CHAIN"
    assert not (tmp_path / "node").exists()


def test_the_folder_of_one_chain_takes_no_other(tmp_path, genesis):
    place = NodeFolder(tmp_path / "node")
    place.write(place.genesis, "{}")
    with pytest.raises(Refusal) as caught:
        join(place.path, wish(tmp_path, genesis, chain_id(genesis_bytes(genesis)).hex()))
    assert caught.value.code == "OTHER_GENESIS"


def test_a_validator_asks_the_others_and_a_stranger_everybody(tmp_path, genesis):
    place = NodeFolder(tmp_path)
    assert others(genesis, place) == [member.url for member in genesis.validators]
    place.key.write_text(seed_of("v2").hex() + "\n")
    place.key.chmod(0o600)
    urls = [member.url for member in genesis.validators]
    assert others(genesis, place) == urls[:2] + urls[3:]


def heard(genesis, *, ahead_ms=0.0, version="1", chain="", time_ms=1):
    name = chain or chain_id(genesis_bytes(genesis)).hex()
    return Heard("http://x", Standing("v0", name, 7, 7, True, True, version, time_ms), ahead_ms, 5.0)


@pytest.mark.parametrize(
    ("change", "about", "verdict"),
    [
        ({}, "peers", "ok"),
        ({}, "clock", "ok"),
        ({}, "version", "ok"),
        ({"ahead_ms": 504.0}, "clock", "ok"),
        ({"ahead_ms": 506.0}, "clock", "wrong"),
        ({"ahead_ms": -506.0}, "clock", "wrong"),
        ({"time_ms": 0}, "clock", "note"),
        ({"version": "2"}, "version", "note"),
        ({"version": ""}, "version", "note"),
        ({"chain": "ab" * 32}, "peers", "wrong"),
    ],
)
def test_what_other_nodes_say_is_judged(genesis, change, about, verdict):
    report = Report("consensus-node")
    look_at_network(report, genesis, [heard(genesis, **change)], [], "1")
    verdicts = [finding.verdict for finding in report.findings if finding.about == about]
    assert verdict in verdicts
    assert report.is_well == (verdict != "wrong")


def test_one_wrong_clock_elsewhere_does_not_blame_ours(genesis):
    report = Report("consensus-node")
    several = [heard(genesis), heard(genesis, ahead_ms=60_000.0), heard(genesis, ahead_ms=10.0)]
    look_at_network(report, genesis, several, ["http://y: no answer"], "1")
    assert report.is_well
    assert [finding.found for finding in report.findings if finding.verdict == "note"] == [
        "http://y: no answer"
    ]


def test_nobody_there_is_wrong(genesis):
    report = Report("consensus-node")
    look_at_network(report, genesis, [], ["http://y: no answer"], "1")
    assert not report.is_well
