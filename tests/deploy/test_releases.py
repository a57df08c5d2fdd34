"""A real API server takes every values file by each Helm: installed, changed, taken back and removed."""

import pytest
from chart_kit import (
    CHART,
    CI,
    HELMS,
    RELEASE,
    HelmRefused,
    helm,
    pod_of,
    read,
    values_file,
    workloads,
)

pytestmark = pytest.mark.deploy

HOLDING = ("Cluster", "Kafka", "KafkaNodePool", "KafkaTopic")


@pytest.fixture
def run(server, namespace):
    def run(tool, verb, *words):
        place = ("--namespace", namespace, "--kubeconfig", str(server.kubeconfig))
        return helm(tool, verb, RELEASE, *words, *place)

    return run


def tags(objects):
    return {pod_of(each)["containers"][0]["image"].rpartition(":")[2] for each in workloads(objects)}


def levels(objects):
    """The log levels of all processes."""
    return {
        variable["value"]
        for each in workloads(objects)
        for variable in pod_of(each)["containers"][0]["env"]
        if variable["name"].endswith("_LOG_LEVEL")
    }


def specs(objects):
    return {(each["kind"], each["metadata"]["name"]): each.get("spec") for each in objects}


def of_persons(server, namespace, objects, notes):
    """Make the Secrets that the notes name, and the disks as the cluster would make them."""
    (line,) = [each.strip() for each in notes.splitlines() if " delete secrets " in each] or [""]
    made = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"key": "x"}}
        for name in line.partition(" secrets ")[2].split()
    ]
    for nodes in (each for each in objects if each["kind"] == "StatefulSet"):
        (claim,) = nodes["spec"]["volumeClaimTemplates"]
        for ordinal in range(nodes["spec"]["replicas"]):
            metadata = claim["metadata"] | {"name": f"data-{nodes['metadata']['name']}-{ordinal}"}
            disk = {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": metadata,
                "spec": claim["spec"],
            }
            made.append(disk)
    server.apply(*({**each, "metadata": each["metadata"] | {"namespace": namespace}} for each in made))
    return {(each["kind"], each["metadata"]["name"]) for each in made}


def kept(objects):
    """What money hangs on is made so that it outlives the release."""
    return {(each["kind"], each["metadata"]["name"]) for each in objects if each["kind"] in HOLDING}


def removals(notes):
    """The commands by which the notes say that what is left can be removed."""
    lines = [
        line.strip()
        for line in notes.splitlines()
        if line.strip().startswith("kubectl ") and " delete " in line
    ]
    return [line.split()[1:] for line in lines]


@pytest.mark.parametrize("tool", HELMS, ids=lambda tool: tool.label)
@pytest.mark.parametrize("values", CI)
def test_a_release_is_installed_changed_taken_back_and_removed(server, namespace, run, stage, values, tool):
    empty = server.names(namespace)
    with stage("install"):
        notes = run(tool, "install", str(CHART), *values_file(values))
        first = server.objects(namespace)
        assert tags(first) == {"0.1.0"}
        assert levels(first) == {"info"}
    with stage("upgrade"):
        run(tool, "upgrade", str(CHART), *values_file(values), "--set", "logLevel=debug")
        assert levels(server.objects(namespace)) == {"debug"}
        run(tool, "upgrade", str(CHART), *values_file(values), "--set", "logLevel=debug,image.tag=9.9.9")
        assert tags(server.objects(namespace)) == {"9.9.9"}
    with stage("rollback"):
        run(tool, "rollback", "1")
        again = server.objects(namespace)
        assert tags(again) == {"0.1.0"}
        assert specs(again) == specs(first)
    with stage("uninstall"):
        stays = of_persons(server, namespace, again, notes) | kept(again)
        run(tool, "uninstall")
        assert server.names(namespace) - empty == stays
        for words in removals(notes):
            server.kubectl(*words, "--wait=false")
        assert server.names(namespace) == empty


@pytest.mark.parametrize("values", CI)
def test_a_release_of_helm_3_is_carried_on_by_helm_4(server, namespace, run, values):
    three, four = HELMS
    empty = server.names(namespace)
    run(three, "install", str(CHART), *values_file(values))
    run(four, "upgrade", str(CHART), *values_file(values), "--set", "logLevel=warning")
    assert levels(server.objects(namespace)) == {"warning"}
    stays = kept(server.objects(namespace))
    run(four, "uninstall")
    assert server.names(namespace) == empty | stays
    assert {kind for kind, _ in stays} == (set(HOLDING) if values == "operators" else set())


def test_a_change_that_a_disk_does_not_allow_is_refused_and_nothing_is_lost(server, namespace, run):
    run(HELMS[-1], "install", str(CHART), *values_file("external"))
    larger = ("--set", "consensusNode.persistence.size=200Gi")
    with pytest.raises(HelmRefused, match=r"[Ff]orbidden|immutable"):
        run(HELMS[-1], "upgrade", str(CHART), *values_file("external"), *larger)
    (nodes,) = [each for each in server.objects(namespace) if each["kind"] == "StatefulSet"]
    assert nodes["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "100Gi"


@pytest.mark.parametrize("values", CI)
def test_a_person_without_helm_applies_the_plain_manifests(server, namespace, values):
    text = (CHART.parents[1] / "manifests" / f"{values}.yaml").read_text()
    empty = server.names(namespace)
    server.kubectl("apply", "--server-side", "-n", namespace, "-f", "-", given=text)
    there = {(each["kind"], each["metadata"]["name"]) for each in read(text)}
    assert server.names(namespace) - empty == there
