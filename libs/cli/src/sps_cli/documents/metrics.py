"""`docs/metrics.md`: every metric of every service, read from registries that no service runs on."""

from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

import carrier_gateway.metrics
import consensus_node.metrics
import contract_api.metrics
import payment_gateway.metrics
import settlement.metrics
from sps.runtime.metrics import (
    DatabaseMetrics,
    FollowerMetrics,
    HttpMetrics,
    LogMetrics,
    LoopMetrics,
    OutboxMetrics,
    ProcessMetrics,
    SurveyMetrics,
    TraceMetrics,
)
from sps_cli.documents.markdown import code, page, table

_LEAD: Final = (
    "Every process answers `GET /metrics` on its monitor's port (`…_MONITOR_PORT`), in the text format of "
    "Prometheus, beside `/health/live` and `/health/ready`; the ports that the public reaches have none of "
    "them. A histogram is shown by its base name and gives `_bucket`, `_sum` and `_count`. No label ever "
    "holds a merchant, a contract, a payment, a key, a person or an address. On Linux every process also has "
    "the library's `process_cpu_seconds_total`, `process_resident_memory_bytes`, "
    "`process_virtual_memory_bytes`, `process_start_time_seconds`, `process_open_fds` and "
    "`process_max_fds`. What stands on these numbers: [alerts](runbooks/README.md) and "
    "[dashboards](../deploy/observe/README.md)."
)

LIBRARY: Final = frozenset(
    {
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
        "process_start_time_seconds",
        "process_open_fds",
        "process_max_fds",
    }
)
"""What the library's own collector exports for every process, on Linux."""


PROCESS: Final = (ProcessMetrics, LoopMetrics)
"""What every process has."""
SERVER: Final = (*PROCESS, HttpMetrics, LogMetrics, TraceMetrics)
"""What every process has that serves HTTP under watch and uses the event log."""
MEMBER: Final = (*SERVER, DatabaseMetrics, FollowerMetrics, OutboxMetrics, SurveyMetrics)
"""What every service has that follows the chain and speaks on it."""


class Metric(Struct, frozen=True, order=True):
    """One metric as it is shown."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


def _contract_api() -> CollectorRegistry:
    return _with_parts(contract_api.metrics.Metrics().registry, *MEMBER)


def _consensus_node() -> CollectorRegistry:
    return _with_parts(consensus_node.metrics.NodeMetrics(CollectorRegistry()).registry, *SERVER)


def _carrier_gateway() -> CollectorRegistry:
    registry = CollectorRegistry()
    carrier_gateway.metrics.GatewayMetrics(registry)
    return _with_parts(registry, *MEMBER)


def _payment_gateway() -> CollectorRegistry:
    registry = CollectorRegistry()
    payment_gateway.metrics.GatewayMetrics(registry, ())
    return _with_parts(registry, *MEMBER)


def _settlement() -> CollectorRegistry:
    return _with_parts(settlement.metrics.Metrics().registry, *MEMBER)


def _sandbox() -> CollectorRegistry:
    return _with_parts(CollectorRegistry(), *PROCESS, DatabaseMetrics)


def _with_parts(
    registry: CollectorRegistry, *parts: Callable[[CollectorRegistry], object]
) -> CollectorRegistry:
    """With the shared parts that the service's own class has not brought along."""
    for part in parts:
        known = {metric.name for metric in metrics_of(registry)}
        alone = CollectorRegistry()
        part(alone)
        if not known.intersection(metric.name for metric in metrics_of(alone)):
            part(registry)
    return registry


SERVICES: Final[dict[str, Callable[[], CollectorRegistry]]] = {
    "contract-api": _contract_api,
    "consensus-node": _consensus_node,
    "carrier-gateway": _carrier_gateway,
    "payment-gateway": _payment_gateway,
    "settlement": _settlement,
    "sandbox": _sandbox,
}


def metrics() -> str:
    """The page: what several services have stands once, and says which."""
    owners: dict[Metric, list[str]] = {}
    for service, registry in SERVICES.items():
        for metric in metrics_of(registry()):
            owners.setdefault(metric, []).append(service)
    shared = sorted(metric for metric, services in owners.items() if len(services) > 1)
    parts = ["## Several services", _table(shared, owners)]
    for service in SERVICES:
        own = sorted(metric for metric, services in owners.items() if services == [service])
        if own:
            parts += [f"## {service}", _table(own)]
    return page("Metrics", _LEAD, parts)


def metrics_of(registry: CollectorRegistry) -> Iterator[Metric]:
    """What is registered; in no order."""
    for collector in set(registry._collector_to_names):  # noqa: SLF001 the library has no public way to ask
        if isinstance(collector, MetricWrapperBase):
            (family,) = collector.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = tuple(collector._labelnames)  # noqa: SLF001 the same
            yield Metric(name, family.type, labels, family.documentation)


def exported() -> set[str]:
    """The names of all series that a scrape of the services can bring."""
    names = set(LIBRARY)
    for registry in SERVICES.values():
        for metric in metrics_of(registry()):
            parts = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
            names.update(f"{metric.name}{part}" for part in parts)
    return names


def _table(metrics: list[Metric], owners: dict[Metric, list[str]] | None = None) -> str:
    head = ["metric", "type", "labels", "what"]
    rows = [[code(m.name), m.kind, " ".join(map(code, m.labels)), m.help] for m in metrics]
    if owners is not None:
        head.append("services")
        for row, metric in zip(rows, metrics, strict=True):
            row.append(", ".join(owners[metric]))
    return table(head, rows)
