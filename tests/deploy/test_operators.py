"""Objects for Strimzi, CloudNativePG, External Secrets and the Prometheus operator, against the code's own tables."""

import pytest
from chart_kit import (
    COMPONENT,
    FULLNAME,
    component_of,
    container_of,
    mounted_files,
    of_kind,
    plain_environment,
    rendered,
    selects,
    workloads,
)

from sps.eventlog.address import read_address
from sps.eventlog.kafka_topics import topic_settings
from sps.eventlog.topics import TOPICS
from sps_cli.documents.asyncapi import RECORDS

pytestmark = pytest.mark.deploy

PREFIX = "pay."
CLUSTER = f"{FULLNAME}-kafka"
DATABASES = {"contract-api", "carrier-gateway", "payment-gateway", "settlement"}


@pytest.fixture
def objects():
    return rendered("operators")


def test_the_topics_are_those_of_the_table(objects):
    found = {each["spec"]["topicName"]: each["spec"] for each in of_kind(objects, "KafkaTopic")}
    assert found == {
        f"{PREFIX}{topic.name}": {
            "topicName": f"{PREFIX}{topic.name}",
            "partitions": topic.partitions,
            "replicas": 3,
            "config": topic_settings(topic, 3),
        }
        for topic in TOPICS.values()
    }


def test_a_cluster_with_one_copy_asks_for_one_broker_in_sync():
    objects = rendered("operators", "--set", "kafka.replication=1")
    assert {each["spec"]["config"]["min.insync.replicas"] for each in of_kind(objects, "KafkaTopic")} == {"1"}
    (kafka,) = of_kind(objects, "Kafka")
    assert kafka["spec"]["kafka"]["config"]["min.insync.replicas"] == 1


def test_every_user_may_look_at_all_topics_and_read_and_append_only_what_is_its_own(objects):
    for user in of_kind(objects, "KafkaUser"):
        service = user["metadata"]["labels"][COMPONENT]
        rights = {
            each["resource"]["name"]: set(each["operations"])
            for each in user["spec"]["authorization"]["acls"]
        }
        assert rights == {
            f"{PREFIX}{topic}": {"Describe", "DescribeConfigs"}
            | ({"Read"} if service in record.receivers else set())
            | ({"Write"} if service in record.senders else set())
            for topic, record in RECORDS.items()
        }
        kinds = {
            (each["resource"]["type"], each["resource"]["patternType"])
            for each in user["spec"]["authorization"]["acls"]
        }
        assert kinds == {("topic", "literal")}


def test_every_pod_that_talks_to_kafka_has_a_user_and_shows_its_certificate(objects):
    users = {
        each["metadata"]["labels"][COMPONENT]: each["metadata"]["name"]
        for each in of_kind(objects, "KafkaUser")
    }
    for workload in workloads(objects):
        files = mounted_files(workload)
        assert files["kafka.crt"] == (users[component_of(workload)], "user.crt")
        assert files["kafka.key"] == (users[component_of(workload)], "user.key")
        assert files["kafka-ca.crt"] == (f"{CLUSTER}-cluster-ca-cert", "ca.crt")


def test_processes_look_for_the_cluster_where_it_is_made(objects):
    (kafka,) = of_kind(objects, "Kafka")
    for workload in workloads(objects):
        (address,) = [
            value for name, value in plain_environment(workload).items() if name.endswith("_EVENT_LOG")
        ]
        place = read_address(address)
        assert place.servers == (f"{kafka['metadata']['name']}-kafka-bootstrap:9093",)
        assert (place.prefix, place.replication) == (PREFIX, 3)


def test_the_cluster_lets_nobody_in_without_a_certificate_and_makes_no_topic_by_itself(objects):
    (kafka,) = of_kind(objects, "Kafka")
    (listener,) = kafka["spec"]["kafka"]["listeners"]
    assert listener["tls"] is True
    assert listener["authentication"] == {"type": "tls"}
    assert kafka["spec"]["kafka"]["authorization"] == {"type": "simple"}
    assert kafka["spec"]["kafka"]["config"]["auto.create.topics.enable"] is False
    assert kafka["spec"]["kafka"]["config"]["min.insync.replicas"] == 2
    assert {
        each["spec"]["roles"][0]: each["spec"]["replicas"] for each in of_kind(objects, "KafkaNodePool")
    } == {
        "controller": 3,
        "broker": 3,
    }


def test_every_object_of_strimzi_names_its_cluster(objects):
    for each in of_kind(objects, "KafkaTopic", "KafkaUser", "KafkaNodePool"):
        assert each["apiVersion"] == "kafka.strimzi.io/v1"
        assert each["metadata"]["labels"]["strimzi.io/cluster"] == CLUSTER


def test_a_cluster_that_is_there_gets_topics_and_users_only():
    words = ("--set", "kafka.strimzi.createCluster=false,kafka.strimzi.clusterName=shared")
    objects = rendered("operators", *words)
    assert of_kind(objects, "Kafka", "KafkaNodePool") == []
    labels = {
        each["metadata"]["labels"]["strimzi.io/cluster"]
        for each in of_kind(objects, "KafkaTopic", "KafkaUser")
    }
    assert labels == {"shared"}


def test_every_service_has_a_database_and_a_role_of_its_own(objects):
    (cluster,) = of_kind(objects, "Cluster")
    roles = {role["name"]: role["passwordSecret"]["name"] for role in cluster["spec"]["managed"]["roles"]}
    names = {f"sps_{service.replace('-', '_')}" for service in DATABASES}
    assert roles.keys() == names
    found = {each["spec"]["name"]: each["spec"]["owner"] for each in of_kind(objects, "Database")}
    assert found == {name: name for name in names}
    for workload in workloads(objects):
        if (service := component_of(workload)) in DATABASES:
            name, host = f"sps_{service.replace('-', '_')}", f"{cluster['metadata']['name']}-rw"
            prefix = service.replace("-", "_").upper()
            assert (
                plain_environment(workload)[f"{prefix}_DATABASE_URL"]
                == f"postgresql+asyncpg://{name}@{host}:5432/{name}"
            )
            (password,) = [each for each in container_of(workload)["env"] if each["name"] == "PGPASSWORD"]
            assert password["valueFrom"]["secretKeyRef"] == {"name": roles[name], "key": "password"}
            assert plain_environment(workload)["PGSSLMODE"] == "verify-full"
            assert mounted_files(workload)["postgres-ca.crt"] == (
                f"{cluster['metadata']['name']}-ca",
                "ca.crt",
            )


def test_a_committed_transaction_is_on_two_servers(objects):
    (cluster,) = of_kind(objects, "Cluster")
    assert cluster["spec"]["instances"] == 3
    assert cluster["spec"]["postgresql"]["synchronous"] == {
        "method": "any",
        "number": 1,
        "dataDurability": "required",
    }


@pytest.mark.parametrize("values", ["operators", "ack"])
def test_every_secret_that_a_pod_wants_is_fetched_or_made_by_an_operator(values):
    objects = rendered(values)
    fetched = {each["spec"]["target"]["name"] for each in of_kind(objects, "ExternalSecret")}
    made = {each["metadata"]["name"] for each in of_kind(objects, "KafkaUser")}
    made |= {
        f"{CLUSTER}-cluster-ca-cert",
        f"{FULLNAME}-postgres-ca",
        "apsaramq-ca",
        "apsaradb-ca",
        "sps-genesis",
    }
    wanted = {name for each in workloads(objects) for name, _ in mounted_files(each).values()}
    (nodes,) = of_kind(objects, "StatefulSet")
    wanted |= {name for name, _ in mounted_files(nodes, "validator-keys").values()}
    assert wanted - made <= fetched
    roles = {
        role["passwordSecret"]["name"]
        for each in of_kind(objects, "Cluster")
        for role in each["spec"]["managed"]["roles"]
    }
    assert fetched == wanted - made | roles


def test_prometheus_finds_every_pod_and_calls_it_by_its_component():
    objects = rendered("external")
    (monitor,) = of_kind(objects, "PodMonitor")
    assert monitor["spec"]["jobLabel"] == COMPONENT
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    for workload in workloads(objects):
        assert selects(monitor["spec"]["selector"], workload["spec"]["template"]["metadata"]["labels"])
        assert endpoint["port"] in {port["name"] for port in container_of(workload)["ports"]}


def test_nothing_for_prometheus_is_made_unless_asked_for():
    kinds = {each["kind"] for each in rendered("sandbox")}
    assert not kinds & {"PodMonitor", "ServiceMonitor", "PrometheusRule", "ConfigMap"}
