"""Who may talk to whom, computed from the policies as a cluster would, against a table written by hand."""

from ipaddress import ip_address, ip_network

import pytest
from chart_kit import CI, COMPONENT, component_of, labels_of, of_kind, rendered, selects, workloads

pytestmark = pytest.mark.deploy

HTTP, MONITOR = 8080, 9090
PORTS = {"http": HTTP, "monitor": MONITOR}
SERVICES = ("contract-api", "carrier-gateway", "payment-gateway", "settlement")
INSIDE = {(source, "consensus-node") for source in (*SERVICES, "consensus-node")} | {
    ("contract-api", "carrier-gateway"),
    ("contract-api", "payment-gateway"),
}
"""Every call between components, on the port of their service."""
OUTSIDE = {"carrier-gateway", "payment-gateway", "settlement", "sandbox"}
METADATA, PRIVATE, PUBLIC = "169.254.169.254", "10.9.9.9", "93.184.216.34"


def policies_of(objects, labels):
    return [
        each for each in of_kind(objects, "NetworkPolicy") if selects(each["spec"]["podSelector"], labels)
    ]


def rules(objects, labels, direction):
    """All rules of the policies that take a pod; None when none does."""
    found = [
        each for each in policies_of(objects, labels) if direction.title() in each["spec"]["policyTypes"]
    ]
    return [rule for each in found for rule in each["spec"].get(direction, [])] if found else None


def has_port(rule, port):
    ports = rule.get("ports")
    return not ports or any(PORTS.get(each["port"], each["port"]) == port for each in ports)


def is_peer(peers, labels=None, address=None, namespace=None):
    if not peers:
        return True
    return any(_is_one(peer, labels, address, namespace) for peer in peers)


def _is_one(peer, labels, address, namespace):
    if "ipBlock" in peer:
        if address is None:
            return False
        inside = ip_address(address) in ip_network(peer["ipBlock"]["cidr"])
        return inside and not any(
            ip_address(address) in ip_network(part) for part in peer["ipBlock"].get("except", [])
        )
    if address is not None:
        return False
    if "namespaceSelector" in peer:
        name = {"kubernetes.io/metadata.name": namespace} if namespace else {}
        return selects(peer["namespaceSelector"], name) and bool(name)
    return namespace is None and labels is not None and selects(peer["podSelector"], labels)


def may_come(objects, mine, port, **source):
    return any(
        has_port(rule, port) and is_peer(rule.get("from"), **source)
        for rule in rules(objects, mine, "ingress")
    )


def may_go(objects, mine, port, **target):
    return any(
        has_port(rule, port) and is_peer(rule.get("to"), **target) for rule in rules(objects, mine, "egress")
    )


def pods(values, *more):
    objects = rendered(values, *more)
    return objects, {component_of(each): labels_of(each) for each in workloads(objects)}


@pytest.mark.step("policy")
@pytest.mark.parametrize("values", CI)
def test_every_pod_is_denied_everything_both_ways_and_has_one_policy_of_its_own(values):
    objects, found = pods(values)
    for component, labels in found.items():
        deny, own = sorted(policies_of(objects, labels), key=lambda each: "ingress" in each["spec"])
        assert deny["spec"].keys() == {"podSelector", "policyTypes"}
        assert own["metadata"]["labels"][COMPONENT] == component
        assert deny["spec"]["policyTypes"] == own["spec"]["policyTypes"] == ["Ingress", "Egress"]


@pytest.mark.parametrize("values", CI)
def test_components_call_each_other_as_in_the_table_and_not_otherwise(values):
    objects, found = pods(values)
    calls = {
        (source, target)
        for source, mine in found.items()
        for target, theirs in found.items()
        if may_go(objects, mine, HTTP, labels=theirs) and may_come(objects, theirs, HTTP, labels=mine)
    }
    assert calls == {(source, target) for source, target in INSIDE if {source, target} <= found.keys()}


@pytest.mark.parametrize("values", CI)
def test_only_the_monitoring_namespace_reads_metrics(values):
    objects, found = pods(values)
    namespace = "arms-prom" if values == "ack" else "monitoring"
    for labels in found.values():
        assert may_come(objects, labels, MONITOR, namespace=namespace)
        assert not may_come(objects, labels, HTTP, namespace=namespace)
        assert not may_come(objects, labels, MONITOR, namespace="default")
        assert not any(may_come(objects, labels, MONITOR, labels=other) for other in found.values())
        assert not may_come(objects, labels, MONITOR, address=PUBLIC)


@pytest.mark.parametrize("values", CI)
def test_the_pod_of_the_test_reaches_every_monitor_and_nothing_else(values):
    objects, found = pods(values)
    (test,) = of_kind(objects, "Pod")
    mine = test["metadata"]["labels"]
    for labels in found.values():
        assert may_go(objects, mine, MONITOR, labels=labels)
        assert may_come(objects, labels, MONITOR, labels=mine)
        assert not may_go(objects, mine, HTTP, labels=labels)
        assert not may_come(objects, labels, HTTP, labels=mine)
        assert not may_come(objects, mine, MONITOR, labels=labels)
    assert not may_go(objects, mine, 443, address=PUBLIC)


@pytest.mark.step("policy")
@pytest.mark.parametrize("values", CI)
def test_only_who_talks_to_the_outside_reaches_it_and_nobody_the_metadata_of_a_cloud(values):
    objects, found = pods(values)
    for component, labels in found.items():
        assert may_go(objects, labels, 443, address=PUBLIC) == (component in OUTSIDE)
        assert not may_go(objects, labels, 443, address=METADATA)
        assert not may_go(objects, labels, 443, address=PRIVATE)
        assert not may_go(objects, labels, 80, address=PUBLIC)


def test_a_validator_reaches_kafka_and_its_peers_and_nothing_else():
    objects, found = pods("validator")
    labels = found["consensus-node"]
    assert may_go(objects, labels, 9093, address=PUBLIC)
    assert may_go(objects, labels, 443, address="203.0.113.7")
    assert not may_go(objects, labels, 5432, address=PUBLIC)
    assert may_come(objects, labels, HTTP, address="198.51.100.7")
    assert not may_come(objects, labels, HTTP, address=PUBLIC)


def test_servers_outside_the_cluster_are_reached_where_they_are_only():
    objects, found = pods("external")
    api, node = found["contract-api"], found["consensus-node"]
    assert may_go(objects, api, 5432, address="10.20.1.10")
    assert not may_go(objects, api, 5432, address="10.20.1.11")
    assert may_go(objects, api, 9093, address="10.20.0.7")
    assert not may_go(objects, node, 5432, address="10.20.1.10")


def test_servers_of_operators_are_reached_by_their_pods_labels():
    objects, found = pods("operators")
    kafka, postgres = (
        {"strimzi.io/cluster": "sps-smart-payment-service-kafka"},
        {"cnpg.io/cluster": "sps-smart-payment-service-postgres"},
    )
    assert may_go(objects, found["consensus-node"], 9093, labels=kafka)
    assert not may_go(objects, found["consensus-node"], 5432, labels=postgres)
    assert may_go(objects, found["settlement"], 5432, labels=postgres)
    assert not may_go(objects, found["settlement"], 9093, labels={"strimzi.io/cluster": "another"})


def test_traces_go_to_the_collector_and_only_where_there_is_one():
    for values in ("external", "operators"):
        objects, found = pods(values)
        reached = {
            name for name, mine in found.items() if may_go(objects, mine, 4318, namespace="monitoring")
        }
        assert reached == (set(found) if values == "external" else set())


def test_strangers_come_in_by_the_ingress_and_only_where_there_is_one():
    objects, found = pods("external")
    reached = {
        name for name, labels in found.items() if may_come(objects, labels, HTTP, namespace="ingress-nginx")
    }
    assert reached == {"contract-api", "carrier-gateway", "payment-gateway"}


def test_without_the_policies_nothing_of_them_is_left():
    objects = rendered("external", "--set", "networkPolicy.enabled=false")
    assert of_kind(objects, "NetworkPolicy") == []


def test_no_peers_means_nobody_and_never_everybody():
    lists = ("monitoringFrom", "ingressFrom", "dnsTo", "internet.cidrs")
    words = [word for name in lists for word in ("--set-json", f"networkPolicy.{name}=[]")]
    objects, found = pods("external", *words)
    for labels in found.values():
        assert not may_come(objects, labels, MONITOR, namespace="monitoring")
        assert not may_come(objects, labels, HTTP, address=PUBLIC)
        assert not may_go(objects, labels, 53, address=PUBLIC)
        assert not may_go(objects, labels, 443, address=PUBLIC)


def test_a_rule_of_ones_own_stands_besides_the_charts():
    rule = '[{"ports":[{"port":8443}],"to":[{"ipBlock":{"cidr":"192.0.2.1/32"}}]}]'
    objects, found = pods("external", "--set-json", f"settlement.networkPolicy.extraEgress={rule}")
    assert may_go(objects, found["settlement"], 8443, address="192.0.2.1")
    assert not may_go(objects, found["contract-api"], 8443, address="192.0.2.1")
