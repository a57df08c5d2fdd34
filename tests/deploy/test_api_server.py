"""A real API server takes every values file: installed, changed, taken back, removed, by each Helm."""

import json
import time

import pytest
import yaml
from api_server import ApiServer
from chart_kit import (
    CHART,
    CI,
    HELMS,
    RELEASE,
    component_of,
    helm,
    pod_of,
    read,
    workloads,
)
from operator_kinds import KINDS, definitions

pytestmark = pytest.mark.deploy

OURS = f"app.kubernetes.io/instance={RELEASE}"
BUILT_IN = "all,configmaps,serviceaccounts,ingresses,networkpolicies,poddisruptionbudgets"
OF_OPERATORS = ",".join(f"{plural}.{group}" for group, _, _, plural in KINDS)
KNOWN_S = 30.0


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with ApiServer(tmp_path_factory.mktemp("api-server")) as running:
        running.apply(*definitions())
        running.kubectl("wait", "crd", "--all", "--for=condition=Established", f"--timeout={KNOWN_S:g}s")
        yield running


@pytest.fixture
def namespace(server, request):
    name = f"t{abs(hash(request.node.name)) % 10**9}-{time.monotonic_ns()}"
    labels = dict.fromkeys(("enforce", "warn", "audit"), "restricted")
    labels = {f"pod-security.kubernetes.io/{mode}": level for mode, level in labels.items()}
    server.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    return name


@pytest.fixture
def run(server, namespace):
    def run(tool, verb, *words):
        return helm(tool, verb, RELEASE, *words, "--namespace", namespace, "--kubeconfig", str(server.kubeconfig))

    return run


def values_file(values):
    return ("--values", str(CHART / "ci" / f"{values}-values.yaml"))


def ours(server, namespace):
    """All objects of the release that the server has."""
    words = ("get", f"{BUILT_IN},{OF_OPERATORS}", "-n", namespace, "-l", OURS, "-o", "json")
    return [
        each for each in json.loads(server.kubectl(*words))["items"] if "ownerReferences" not in each["metadata"]
    ]


def images(objects):
    return {pod_of(each)["containers"][0]["image"].rpartition(":")[2] for each in workloads(tuple(objects))}


@pytest.mark.parametrize("tool", HELMS, ids=lambda tool: tool.label)
@pytest.mark.parametrize("values", CI)
def test_a_release_is_installed_changed_taken_back_and_removed(server, namespace, run, values, tool):
    run(tool, "install", str(CHART), *values_file(values))
    first = ours(server, namespace)
    run(tool, "upgrade", str(CHART), *values_file(values), "--set", "image.tag=9.9.9,logLevel=debug")
    assert images(ours(server, namespace)) == {"9.9.9"}
    run(tool, "rollback", "1")
    again = ours(server, namespace)
    assert images(again) == images(first) == {"0.1.0"}
    assert specs(again) == specs(first)
    run(tool, "uninstall")
    assert ours(server, namespace) == []


def specs(objects):
    return {(each["kind"], each["metadata"]["name"]): each.get("spec") for each in objects}


@pytest.mark.parametrize("values", CI)
def test_an_upgrade_from_one_helm_to_the_next_works(server, namespace, run, values):
    three, four = HELMS
    run(three, "install", str(CHART), *values_file(values))
    run(four, "upgrade", str(CHART), *values_file(values), "--set", "logLevel=warning")
    run(four, "uninstall")
    assert ours(server, namespace) == []


@pytest.mark.parametrize("values", CI)
def test_the_server_knows_every_field_and_finds_nothing_to_warn_of(server, namespace, values):
    text = helm(HELMS[-1], "template", RELEASE, str(CHART), *values_file(values), "--namespace", namespace,
                *(word for group, version, _, _ in KINDS for word in ("--api-versions", f"{group}/{version}")))  # fmt: skip
    words = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-n", namespace, "-f", "-")
    said = server.kubectl(*words, given=text)
    assert "Warning" not in said, said


@pytest.mark.parametrize("values", CI)
def test_a_namespace_that_enforces_restricted_takes_every_pod(server, namespace, run, values):
    run(HELMS[-1], "install", str(CHART), *values_file(values))
    for workload in workloads(tuple(ours(server, namespace))):
        spec = pod_of(workload)
        if workload["kind"] == "StatefulSet":
            spec["volumes"].append({"name": "data", "emptyDir": {}})
        spec.pop("priorityClassName", None)
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": component_of(workload)}, "spec": spec}
        server.kubectl("create", "--dry-run=server", "-n", namespace, "-f", "-", given=yaml.safe_dump(pod))
        loose = json.loads(json.dumps(pod))
        loose["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
        said = server.kubectl("create", "--dry-run=server", "-n", namespace, "-f", "-", given=yaml.safe_dump(loose), fails=True)
        assert "violates PodSecurity" in said, "the namespace enforces nothing"


def test_a_service_can_do_nothing_at_the_api_server(server, namespace, run):
    run(HELMS[-1], "install", str(CHART), *values_file("external"))
    for account in (each for each in ours(server, namespace) if each["kind"] == "ServiceAccount"):
        user = f"system:serviceaccount:{namespace}:{account['metadata']['name']}"
        for what in ("get secrets", "list pods", "create pods", "update deployments", "get configmaps"):
            assert "no" in server.kubectl("auth", "can-i", *what.split(), "-n", namespace, "--as", user, fails=True)


def test_a_change_that_a_disk_does_not_allow_is_refused_and_nothing_is_lost(server, namespace, run):
    run(HELMS[-1], "install", str(CHART), *values_file("external"))
    with pytest.raises(Exception, match="Forbidden|forbidden"):
        run(HELMS[-1], "upgrade", str(CHART), *values_file("external"), "--set", "consensusNode.persistence.size=200Gi")
    (nodes,) = [each for each in ours(server, namespace) if each["kind"] == "StatefulSet"]
    assert nodes["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "100Gi"


def test_the_objects_of_the_server_are_read_as_strictly_as_those_of_helm():
    with pytest.raises(ValueError, match="stand twice"):
        read("a: 1\na: 2\n")
