"""What every pod keeps: nobody is root, nothing can be written, everything has a bound."""

import re

import pytest
from chart_kit import (
    CI,
    component_of,
    container_of,
    labels_of,
    of_kind,
    pod_of,
    rendered,
    selects,
    workloads,
)

from sps.runtime.process import GRACE_S

pytestmark = pytest.mark.deploy

USER = 10001
DIGEST = "sha256:" + "a" * 64


def test_nobody_is_root(workload):
    assert pod_of(workload)["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_a_container_cannot_write_its_root_nor_gain_anything(workload):
    assert container_of(workload)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_pod_takes_nothing_of_its_host(workload):
    pod = pod_of(workload)
    assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC", "hostAliases", "initContainers"}
    kinds = {kind for volume in pod["volumes"] for kind in volume.keys() - {"name"}}
    assert kinds <= {"emptyDir", "projected"}
    assert all(each["emptyDir"]["sizeLimit"] for each in pod["volumes"] if "emptyDir" in each)


def test_a_pod_is_nobody_to_the_api_server(workload):
    pod = pod_of(workload)
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["serviceAccountName"].endswith(component_of(workload))


def test_every_service_account_mounts_no_token_and_is_used():
    for values in CI:
        objects = rendered(values)
        accounts = of_kind(objects, "ServiceAccount")
        assert all(each["automountServiceAccountToken"] is False for each in accounts)
        used = {pod_of(each)["serviceAccountName"] for each in workloads(objects)}
        assert {each["metadata"]["name"] for each in accounts} == used


def test_resources_are_asked_for_and_memory_is_bounded(workload):
    resources = container_of(workload)["resources"]
    assert resources["requests"].keys() == {"cpu", "memory"}
    assert resources["limits"].keys() == {"memory"}, (
        "a limit of CPU stops an event loop in the middle of a vote"
    )


def test_probes_ask_the_monitor_and_never_the_public_port(workload):
    container = container_of(workload)
    paths = {
        "startupProbe": "/health/live",
        "livenessProbe": "/health/live",
        "readinessProbe": "/health/ready",
    }
    for probe, path in paths.items():
        assert container[probe]["httpGet"] == {"path": path, "port": "monitor"}
    assert {each["name"]: each["containerPort"] for each in container["ports"]} == {
        "http": 8080,
        "monitor": 9090,
    }


def test_the_grace_period_covers_the_pause_and_the_process(workload):
    pause = container_of(workload)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod_of(workload)["terminationGracePeriodSeconds"] > pause + GRACE_S


def test_an_image_is_named_exactly(workload):
    assert re.fullmatch(
        r"registry\.example\.(org|cn)/sps/[a-z-]+:\d+\.\d+\.\d+", container_of(workload)["image"]
    )


def test_a_digest_counts_more_than_a_tag():
    words = ("--set", f"settlement.image.digest={DIGEST}")
    (found,) = [
        each for each in workloads(rendered("external", *words)) if component_of(each) == "settlement"
    ]
    assert container_of(found)["image"] == f"registry.example.org/sps/settlement@{DIGEST}"


def test_a_service_runs_once_and_its_next_version_waits_for_its_end():
    for values in CI:
        for each in of_kind(rendered(values), "Deployment"):
            assert each["spec"]["replicas"] == 1
            assert each["spec"]["strategy"] == {"type": "Recreate"}


def test_nothing_scales_by_itself():
    assert {each["kind"] for values in CI for each in rendered(values)} & {
        "HorizontalPodAutoscaler",
        "ScaledObject",
    } == set()


@pytest.mark.parametrize(
    ("validators", "evicted"), [(1, 1), (2, 1), (3, 1), (4, 1), (6, 1), (7, 2), (10, 3), (13, 4)]
)
def test_no_more_validators_are_evicted_than_the_others_can_do_without(validators, evicted):
    objects = rendered("external", "--set", f"consensusNode.replicaCount={validators}")
    (budget,) = of_kind(objects, "PodDisruptionBudget")
    (nodes,) = of_kind(objects, "StatefulSet")
    assert nodes["spec"]["replicas"] == validators
    assert budget["spec"]["maxUnavailable"] == evicted
    assert selects(budget["spec"]["selector"], labels_of(nodes))
    assert not any(
        selects(budget["spec"]["selector"], labels_of(each)) for each in of_kind(objects, "Deployment")
    )


def test_validators_have_disks_that_stay_and_nodes_of_their_own():
    (nodes,) = of_kind(rendered("external"), "StatefulSet")
    (claim,) = nodes["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert nodes["spec"]["persistentVolumeClaimRetentionPolicy"] == {
        "whenDeleted": "Retain",
        "whenScaled": "Retain",
    }
    assert nodes["spec"]["podManagementPolicy"] == "Parallel"
    (term,) = pod_of(nodes)["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert selects(term["labelSelector"], labels_of(nodes))
    (spread,) = pod_of(nodes)["topologySpreadConstraints"]
    assert selects(spread["labelSelector"], labels_of(nodes))


def test_validators_find_each_other_by_name_also_before_they_are_ready():
    objects = rendered("external")
    (nodes,) = of_kind(objects, "StatefulSet")
    (service,) = [
        each
        for each in of_kind(objects, "Service")
        if each["metadata"]["name"] == nodes["spec"]["serviceName"]
    ]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True


@pytest.mark.parametrize("values", CI)
def test_an_ingress_shows_webhooks_of_the_gateways_and_never_their_inner_paths(values):
    shown = {
        each["metadata"]["labels"]["app.kubernetes.io/component"]: [
            path["path"] for rule in each["spec"]["rules"] for path in rule["http"]["paths"]
        ]
        for each in of_kind(rendered(values), "Ingress")
    }
    allowed = {
        "contract-api": ["/"],
        "carrier-gateway": ["/webhooks"],
        "payment-gateway": ["/webhooks"],
        "sandbox": ["/"],
    }
    assert all(paths == allowed[component] for component, paths in shown.items())
    assert all(each["spec"]["tls"][0]["hosts"] for each in of_kind(rendered(values), "Ingress"))
