"""Kinds of other people's operators, so that an API server takes their objects. Their fields are not checked here."""

from typing import Any, Final

KINDS: Final = (
    ("kafka.strimzi.io", "v1", "Kafka", "kafkas"),
    ("kafka.strimzi.io", "v1", "KafkaNodePool", "kafkanodepools"),
    ("kafka.strimzi.io", "v1", "KafkaTopic", "kafkatopics"),
    ("kafka.strimzi.io", "v1", "KafkaUser", "kafkausers"),
    ("postgresql.cnpg.io", "v1", "Cluster", "clusters"),
    ("postgresql.cnpg.io", "v1", "Database", "databases"),
    ("postgresql.cnpg.io", "v1", "ScheduledBackup", "scheduledbackups"),
    ("external-secrets.io", "v1", "ExternalSecret", "externalsecrets"),
    ("external-secrets.io", "v1", "SecretStore", "secretstores"),
    ("monitoring.coreos.com", "v1", "PodMonitor", "podmonitors"),
    ("monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules"),
)


def definitions() -> list[dict[str, Any]]:
    """A definition of each kind that takes every field."""
    return [_definition(*kind) for kind in KINDS]


def _definition(group: str, version: str, kind: str, plural: str) -> dict[str, Any]:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": anything}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [served],
        },
    }
