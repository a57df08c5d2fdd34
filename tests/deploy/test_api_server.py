"""What a real API server says to the chart's objects: their fields, their pods' security, their rights."""

import json

import pytest
import yaml
from chart_kit import CI, HELMS, component_of, of_kind, pod_of, read, rendered, template, workloads

pytestmark = pytest.mark.deploy


@pytest.mark.step("schema")
@pytest.mark.parametrize("tool", HELMS, ids=lambda tool: tool.label)
@pytest.mark.parametrize("values", CI)
def test_the_server_knows_every_field_and_finds_nothing_to_warn_of(server, namespace, values, tool):
    text = template(tool, values, server.tool.version, namespace=namespace)
    words = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-n", namespace, "-f", "-")
    server.accounts(namespace, rendered(values))
    said = server.kubectl(*words, given=text)
    assert "Warning" not in said, said
    assert len(said.splitlines()) == len(read(text))


def test_the_server_refuses_a_field_that_an_operator_does_not_know(server, namespace):
    words = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-n", namespace, "-f", "-")
    for kind in (
        "Kafka",
        "KafkaTopic",
        "KafkaUser",
        "KafkaNodePool",
        "Cluster",
        "Database",
        "ScheduledBackup",
    ):
        (one, *_) = of_kind(rendered("operators"), kind)
        wrong = json.loads(json.dumps(one)) | {"spec": one["spec"] | {"unheardOf": 1}}
        assert "unheardOf" in server.kubectl(*words, given=yaml.safe_dump(wrong), fails=True)


def pods(values):
    """Every pod of a values file, the one of `helm test` among them; disks are folders, as nothing makes disks here."""
    yield from of_kind(rendered(values), "Pod")
    for workload in workloads(rendered(values)):
        spec = json.loads(json.dumps(pod_of(workload)))
        if workload["kind"] == "StatefulSet":
            spec["volumes"].append({"name": "data", "emptyDir": {}})
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": component_of(workload)}, "spec": spec}


@pytest.mark.step("policy")
@pytest.mark.parametrize("values", CI)
def test_a_namespace_that_enforces_restricted_takes_every_pod_and_nothing_looser(server, namespace, values):
    words = ("create", "--dry-run=server", "-n", namespace, "-f", "-")
    server.accounts(namespace, rendered(values))
    for pod in pods(values):
        server.kubectl(*words, given=yaml.safe_dump(pod))
        loose = json.loads(json.dumps(pod))
        loose["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
        said = server.kubectl(*words, given=yaml.safe_dump(loose), fails=True)
        assert "violates PodSecurity" in said, "the namespace enforces nothing"


@pytest.mark.parametrize("values", CI)
def test_a_service_has_no_right_that_a_nobody_has_not(server, namespace, values):
    accounts = of_kind(rendered(values), "ServiceAccount")
    nobody = rights(server, namespace, "nobody")
    assert "selfsubjectaccessreviews" in nobody
    for account in accounts:
        assert rights(server, namespace, account["metadata"]["name"]) == nobody
    assert len(accounts) == len(workloads(rendered(values)))


def rights(server, namespace, account):
    user = f"system:serviceaccount:{namespace}:{account}"
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    words = [word for group in groups for word in ("--as-group", group)]
    return server.kubectl("auth", "can-i", "--list", "-n", namespace, "--as", user, *words)


@pytest.mark.parametrize(
    "what",
    ["get secrets", "list pods", "create pods", "update deployments", "get configmaps", "create pods/exec"],
)
def test_a_service_can_neither_read_nor_change_anything(server, namespace, what):
    user = f"system:serviceaccount:{namespace}:sps-smart-payment-service-settlement"
    assert (
        server.kubectl("auth", "can-i", *what.split(), "-n", namespace, "--as", user, fails=True).strip()
        == "no"
    )
