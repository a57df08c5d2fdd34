"""The kinds of other people's operators, as their operators define them, for the API server of the tests."""

from typing import Any, Final

import yaml
from chart_kit import MODULES

from sps_cli.tools.definitions import DEFINITIONS, definition_files

NAMESPACED: Final = (
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
"""Those of which the chart makes objects."""


def definitions() -> list[dict[str, Any]]:
    """What `kubectl apply` would be given to install the operators' kinds."""
    return [
        each
        for wanted in DEFINITIONS
        for path in definition_files(wanted, MODULES)
        for each in yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader)
    ]
