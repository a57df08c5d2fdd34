"""`sps kubernetes secrets`: everything that pods want is made once, or named; a process takes what was made."""

import json
import stat
from pathlib import Path

import pytest
import yaml
from nacl.signing import SigningKey
from typer.testing import CliRunner

from sps.chain.genesis import load_genesis
from sps.runtime.environment import read_environment
from sps.runtime.errors import Refusal
from sps_cli.documents.configuration import SERVICES
from sps_cli.kubernetes.rendered import installation, read_objects
from sps_cli.main import app

MANIFESTS = Path(__file__).parents[4] / "deploy" / "k8s" / "manifests"
DATABASE = "postgresql+asyncpg://sps:word@postgres:5432/sps"


def rendered(values):
    return (MANIFESTS / f"{values}.yaml").read_text(encoding="utf-8")


def secrets(folder, text, *words):
    return CliRunner().invoke(app, ["kubernetes", "secrets", str(folder), *words], input=text)


def made(folder):
    """The Secrets by name, and the ConfigMaps."""
    items = json.loads((folder / "objects.json").read_text())["items"]
    return {each["metadata"]["name"]: each.get("stringData") or each["data"] for each in items}


def fill(folder, text, *words):
    """Call it, write what only a person knows, call it again."""
    first = secrets(folder, text, *words)
    named = [
        Path(line.removeprefix("missing: "))
        for line in first.output.splitlines()
        if line.startswith("missing: ")
    ]
    assert first.exit_code == bool(named), first.output
    for path in named:
        path.write_text(f"{DATABASE}\n" if path.name == "database-url" else "given by a person\n")
    again = secrets(folder, text, *words)
    assert again.exit_code == 0, again.output
    return {path.name for path in named}, again.output


@pytest.fixture
def safe(tmp_path):
    return tmp_path / "safe"


def test_of_a_sandbox_only_the_databases_are_asked_for(safe):
    named, said = fill(safe, rendered("sandbox"), "--network", "trial", "--namespace", "pay")
    assert named == {"database-url"}
    assert "genesis document of trial" in said


def test_real_carriers_and_providers_have_to_be_asked_by_a_person(safe):
    named, _ = fill(safe, rendered("external"), "--network", "trial")
    assert {
        "dhl-api-key",
        "stripe-secret-key",
        "stripe-webhook-secrets",
        "alipay-private-key",
        "kafka-password",
    } <= named
    assert not named & {
        "key",
        "custody-key",
        "internal-token",
        "dhl-hook-path",
        "dhl-hook-token",
        "tracking-pepper",
    }


@pytest.mark.parametrize("values", ["sandbox", "external", "validator"])
def test_every_key_that_a_pod_mounts_is_in_the_objects(safe, values):
    network = [] if values == "validator" else ["--network", "trial"]
    fill(safe, rendered(values), *network)
    found = made(safe)
    wanted = installation(read_objects(rendered(values))).wanted
    assert {each for each in wanted if each.key not in found[each.secret]} == set()
    assert all(text for content in found.values() for text in content.values())


def test_what_was_made_is_never_made_anew(safe):
    text = rendered("sandbox")
    fill(safe, text, "--network", "trial")
    before = {path: path.read_bytes() for path in safe.rglob("*") if path.is_file()}
    assert secrets(safe, text, "--network", "another").exit_code == 0
    assert {path: path.read_bytes() for path in safe.rglob("*") if path.is_file()} == before


def test_nobody_else_can_read_the_safe(safe):
    fill(safe, rendered("sandbox"), "--network", "trial")
    modes = {
        stat.S_IMODE(path.stat().st_mode) & 0o077
        for path in (safe, *safe.rglob("*"))
        if path.name != "database-url"
    }
    assert modes == {0}


def test_the_genesis_document_names_those_who_have_the_keys(safe):
    fill(safe, rendered("sandbox"), "--network", "trial", "--namespace", "pay")
    genesis = load_genesis((safe / "genesis.json").read_bytes())
    fullname = "sps-smart-payment-service"
    assert len(genesis.validators) == 4
    for ordinal, member in enumerate(genesis.validators):
        pod = f"{fullname}-consensus-node-{ordinal}"
        assert member.url == f"http://{pod}.{fullname}-consensus-node.pay:8080"
        assert member.public_key == public_key(made(safe)[pod]["key"])
    services = {producer.name: producer.public_key for producer in genesis.producers}
    operator = services.pop("operator")
    assert operator == public_key((safe / "operator" / "key").read_text())
    assert services == {name: public_key(made(safe)[f"{fullname}-{name}"]["key"]) for name in services}
    assert len(services) == 4
    assert {(each.provider, each.currency) for each in genesis.floats} == {
        ("stripe", "EUR"),
        ("alipay", "CNY"),
    }
    assert json.loads(made(safe)["sps-genesis"]["genesis.json"])["network"] == "trial"


def public_key(seed):
    return SigningKey(bytes.fromhex(seed)).verify_key.encode().hex()


def test_processes_take_what_was_made(safe):
    fill(safe, rendered("sandbox"), "--network", "trial")
    found = made(safe)
    for workload in yaml.safe_load_all(rendered("sandbox")):
        if workload["kind"] in {"Deployment", "StatefulSet"}:
            service = workload["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]
            reading = read_environment(SERVICES[service], environment(workload, found, safe))
            assert [str(problem) for problem in reading.problems] == [], service


def environment(workload, found, safe):
    """As the process sees it, with its files where they are in the safe."""
    spec = workload["spec"]["template"]["spec"]
    files = {}
    for volume in spec["volumes"]:
        for source in volume.get("projected", {}).get("sources", []):
            (kept,) = source.values()
            for item in kept["items"]:
                path = safe / "mounted" / f"{kept['name']}-{item['path']}"
                path.parent.mkdir(exist_ok=True)
                path.write_text(found[kept["name"]][item["key"]])
                files[f"/run/secrets/sps/{item['path']}"] = str(path)
    plain = {each["name"]: each["value"] for each in spec["containers"][0]["env"] if "value" in each}
    return {name: files.get(value, value) for name, value in plain.items()}


def test_the_sandbox_and_the_gateways_know_the_same(safe):
    fill(safe, rendered("sandbox"), "--network", "trial")
    found = {name.removeprefix("sps-smart-payment-service-"): content for name, content in made(safe).items()}
    sandbox, payment, carrier = found["sandbox"], found["payment-gateway"], found["carrier-gateway"]
    assert json.loads(payment["stripe-webhook-secrets"]) == [sandbox["stripe-webhook-secret"]]
    assert payment["stripe-secret-key"] == sandbox["stripe-secret-key"]
    assert payment["alipay-private-key"] != sandbox["alipay-private-key"]
    assert payment["alipay-root-certificate"] == sandbox["alipay-root-certificate"]
    for name in ("dhl-api-key", "easypost-api-key", "easypost-webhook-secret"):
        assert carrier[name] == sandbox[name]


def test_a_validator_of_somebody_elses_chain_says_its_public_key_and_makes_no_document(safe):
    _, said = fill(safe, rendered("validator"))
    seed = made(safe)["acme-consensus-node-0"]["key"]
    assert f"public key of consensus-node-0: {public_key(seed)}" in said
    assert not (safe / "genesis.json").exists()
    result = secrets(safe, rendered("validator"), "--network", "mine")
    assert isinstance(result.exception, Refusal)
    assert result.exception.code == "NOT_A_WHOLE_CHAIN"


def test_what_an_operator_fetches_goes_to_its_store_and_what_it_makes_is_not_asked_for(safe):
    named, said = fill(safe, rendered("operators"), "--network", "trial")
    assert named == {"easypost-api-key", "easypost-webhook-secret", "easypost-webhook-secret-previous"} | {
        "stripe-secret-key",
        "stripe-webhook-secrets",
    }
    assert made(safe).keys() == {"sps-genesis"}
    assert "for your store of secrets, not for kubectl: sps-smart-payment-service-" in said
    assert len((safe / "sps-smart-payment-service-postgres-settlement" / "password").read_text()) >= 32


def test_the_password_of_a_database_role_is_as_the_operator_wants_it(safe):
    objects = [each for each in read_objects(rendered("operators")) if each["kind"] != "ExternalSecret"]
    fill(safe, yaml.safe_dump_all(objects), "--network", "trial")
    items = {
        each["metadata"]["name"]: each for each in json.loads((safe / "objects.json").read_text())["items"]
    }
    role = items["sps-smart-payment-service-postgres-settlement"]
    assert role["type"] == "kubernetes.io/basic-auth"
    assert role["stringData"].keys() == {"username", "password"}
    assert role["stringData"]["username"] == "sps_settlement"


@pytest.mark.parametrize("text", ["", "a: [", "no object\n", "kind: ConfigMap\n"])
def test_anything_but_rendered_objects_is_refused(safe, text):
    result = secrets(safe, text)
    assert isinstance(result.exception, Refusal)
    assert result.exception.code in {"NOT_RENDERED", "NOTHING_WANTED"}
