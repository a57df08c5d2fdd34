"""Every values file of `ci/`, by each Helm, for each Kubernetes: the same objects, the same bytes, nothing secret."""

import shlex

import pytest
import typer
from chart_kit import (
    APIS,
    CHART,
    CI,
    FULLNAME,
    HELMS,
    KUBERNETES,
    NAME,
    RELEASE,
    HelmRefused,
    helm,
    of_kind,
    plain_environment,
    read,
    rendered,
    template,
    values_file,
    workloads,
)

from sps.eventlog.address import read_address
from sps_cli.main import app

pytestmark = pytest.mark.deploy

NAME_MAX = 63
ROOM_FOR_A_REVISION = 11
STABLE = {NAME, "app.kubernetes.io/instance", "app.kubernetes.io/component"}
EVERYWHERE = STABLE - {"app.kubernetes.io/component"} | {
    "app.kubernetes.io/version",
    "app.kubernetes.io/part-of",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
}


@pytest.mark.step("render")
@pytest.mark.parametrize("kubernetes", KUBERNETES)
@pytest.mark.parametrize("tool", HELMS, ids=lambda tool: tool.label)
@pytest.mark.parametrize("values", CI)
def test_a_values_file_renders_to_the_same_objects_everywhere(values, tool, kubernetes):
    assert read(template(tool, values, kubernetes)) == list(rendered(values))


@pytest.mark.parametrize("tool", HELMS, ids=lambda tool: tool.label)
@pytest.mark.parametrize("values", CI)
def test_the_same_values_give_the_same_bytes(values, tool):
    assert template(tool, values, KUBERNETES[0]) == template(tool, values, KUBERNETES[0])


@pytest.mark.parametrize("tool", HELMS, ids=lambda tool: tool.label)
@pytest.mark.parametrize("values", ["external", "sandbox", "validator"])
def test_helm_itself_finds_nothing_to_complain_about(values, tool):
    path = CHART / "ci" / f"{values}-values.yaml"
    unwatched = ("--set", "monitoring.podMonitor.enabled=false", "--set", "monitoring.rules.enabled=false")
    helm(
        tool,
        "lint",
        "--strict",
        str(CHART),
        "--values",
        str(path),
        "--kube-version",
        KUBERNETES[-1],
        *unwatched,
    )


def test_the_operators_objects_are_refused_where_their_operator_is_missing():
    with pytest.raises(HelmRefused, match=r"install its operator first"):
        template(HELMS[-1], "operators", KUBERNETES[-1], apis=())
    for missing in APIS:
        rest = tuple(api for api in APIS if api != missing)
        with pytest.raises(HelmRefused, match=missing):
            template(HELMS[-1], "operators", KUBERNETES[-1], apis=rest)


@pytest.mark.parametrize("tool", HELMS, ids=lambda tool: tool.label)
def test_an_older_kubernetes_is_refused(tool):
    with pytest.raises(HelmRefused, match="kubeVersion"):
        template(tool, "external", "1.29.0")


@pytest.mark.parametrize("values", CI)
def test_no_object_stands_twice(values):
    names = [(each["kind"], each["metadata"]["name"]) for each in rendered(values)]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("values", CI)
def test_every_object_of_the_chart_has_the_labels_that_all_have(values):
    ours = [each for each in rendered(values) if each["kind"] != "SecretStore"]
    assert all(each["metadata"]["labels"].keys() >= EVERYWHERE for each in ours)


@pytest.mark.parametrize("values", CI)
def test_selectors_are_the_stable_labels_and_take_the_pods_of_their_workload(values):
    for workload in workloads(rendered(values)):
        selector = workload["spec"]["selector"]["matchLabels"]
        assert selector.keys() == STABLE
        assert selector.items() <= workload["spec"]["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize("values", CI)
def test_nothing_secret_and_no_right_at_the_api_server_is_rendered(values):
    kinds = {each["kind"] for each in rendered(values)}
    assert not kinds & {"Secret", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "Job"}


@pytest.mark.parametrize("values", CI)
def test_names_have_room_under_their_limit(values):
    long = "a-name-that-is-as-long-as-a-name-of-a-release-may-bex"
    topics = of_kind(rendered(values), "KafkaTopic")  # their names may be longer
    for each in rendered(values, "--set", f"fullnameOverride={long}"):
        room = ROOM_FOR_A_REVISION if each["kind"] == "StatefulSet" else 0
        assert each["kind"] == "KafkaTopic" or len(each["metadata"]["name"]) + room <= NAME_MAX
    assert bool(topics) == (values == "operators")


def test_the_notes_name_the_secrets_and_the_next_command():
    words = ("--set", "chain.genesis.existingConfigMap=g", "--dry-run=client", "--namespace", "pay")
    path = CHART / "ci" / "sandbox-values.yaml"
    notes = helm(HELMS[-1], "install", RELEASE, str(CHART), "--values", str(path), *words)
    for name in ("contract-api", "internal", "consensus-node-3", "payment-gateway", "sandbox"):
        assert f"{FULLNAME}-{name}" in notes
    assert "sps topics apply" in notes
    assert "kubectl -n pay wait pod" in notes


@pytest.mark.parametrize("values", ["external", "sandbox", "validator"])
def test_the_command_for_the_topics_is_one_that_our_command_takes(values):
    words = ("--dry-run=client", "--namespace", "pay", "--set", "monitoring.podMonitor.enabled=false")
    words += ("--set", "monitoring.rules.enabled=false", "--set", "monitoring.dashboards.enabled=false")
    notes = helm(HELMS[-1], "install", RELEASE, str(CHART), *values_file(values), *words)
    (line,) = [each.strip() for each in notes.splitlines() if "sps topics apply" in each]
    given = parsed(shlex.split(line))
    place = read_address(given["event_log"])
    (workload, *_) = workloads(rendered(values))
    (address,) = [text for name, text in plain_environment(workload).items() if name.endswith("_EVENT_LOG")]
    assert place == read_address(address)
    assert given["replication"] == place.replication
    assert given["tls"] == (values != "sandbox")


def parsed(words):
    """What the command would be called with."""
    command = typer.main.get_command(app)
    for word in words[1:3]:
        command = command.commands[word]
    return command.make_context("apply", words[3:]).params


def test_a_genesis_document_reaches_the_pods_byte_for_byte(tmp_path):
    document = '{"network":"x","note":"ü <&> \\"quoted\\" \\\\ back","n":12345678901234567890}'
    path = tmp_path / "genesis.json"
    path.write_text(document, encoding="utf-8")
    words = ("--set", "chain.genesis.existingConfigMap=", "--set-file", f"chain.genesis.document={path}")
    objects = rendered("external", *words)
    (kept,) = [
        each for each in of_kind(objects, "ConfigMap") if each["metadata"]["name"] == f"{FULLNAME}-genesis"
    ]
    assert kept["data"] == {"genesis.json": document}


def test_another_genesis_document_restarts_the_pods(tmp_path):
    seen = set()
    for text in ("{}", "[]"):
        path = tmp_path / f"{len(seen)}.json"
        path.write_text(text)
        words = ("--set", "chain.genesis.existingConfigMap=", "--set-file", f"chain.genesis.document={path}")
        (workload, *_) = workloads(rendered("external", *words))
        seen.add(workload["spec"]["template"]["metadata"]["annotations"]["checksum/genesis"])
    assert len(seen) == 2
