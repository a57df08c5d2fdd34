"""Spelling Grafana's dashboards: a panel is a value, and a dashboard is laid out by itself.

Everything that Grafana would fill in for itself is left out. Each panel has a unit and a description, and
links to the runbooks of the alerts that look at the same numbers.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

SCHEMA: Final = 39
"""Of Grafana 10.4 and later; newer ones bring it up to date themselves."""
WIDE: Final = 24
HEIGHT: Final = 8
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
RATE: Final = "$__rate_interval"

Unit = Literal["short", "s", "reqps", "ops", "percentunit", "bytes", "dateTimeFromNow", "bool_yes_no", "none"]


class Query(Struct, frozen=True):
    """One expression and the name of its lines."""

    expr: str
    legend: str = ""


class Panel(Struct, frozen=True):
    """One picture. `red` is the value from which it is red."""

    title: str
    description: str
    unit: Unit
    queries: tuple[Query, ...]
    kind: Literal["timeseries", "stat"] = "timeseries"
    alerts: tuple[str, ...] = ()
    red: float | None = None
    width: int = 8


class Row(Struct, frozen=True):
    """Panels that belong together."""

    title: str
    panels: tuple[Panel, ...]


class Dashboard(Struct, frozen=True):
    """One page."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]


def show(title: str, description: str, unit: Unit, *queries: tuple[str, str], **more: Any) -> Panel:
    """A panel from (expression, legend) pairs."""
    return Panel(title, description, unit, tuple(Query(*each) for each in queries), **more)


def rate(metric: str, by: str = "", matching: str = "") -> str:
    """Events per second by these labels."""
    group = f"sum by ({by})" if by else "sum"
    return f"{group} (rate({metric}{matching}[{RATE}]))"


def busy(metric: str, by: str) -> str:
    """The same, without lines that lie on zero."""
    return f"{rate(metric, by)} > 0"


def quantiles(metric: str, by: str = "", matching: str = "") -> tuple[tuple[str, str], ...]:
    """The median and the 99th percentile of a histogram."""
    labels = ", ".join(part for part in ("le", by) if part)
    buckets = rate(f"{metric}_bucket", labels, f"{{{matching}}}" if matching else "")
    name = f" {{{{{by}}}}}" if by else ""
    return tuple(
        (f"histogram_quantile({share}, {buckets})", f"{word}{name}")
        for share, word in (("0.5", "median"), ("0.99", "p99"))
    )


def spelled(dashboard: Dashboard) -> str:
    """The file."""
    page = {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["smart-payment-service"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "utc",
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "links": [_to_the_others(), _link("Runbooks", "README")],
        "templating": {"list": [_datasource(), _runbooks()]},
        "annotations": {"list": [_alerts_over_time()]},
        "panels": list(_panels(dashboard.rows)),
    }
    return json.dumps(page, indent=2, ensure_ascii=False) + "\n"


def _panels(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    number, y = 1, 0
    for row in rows:
        yield _heading(row.title, number, y)
        number, y, x = number + 1, y + 1, 0
        for panel in row.panels:
            if x + panel.width > WIDE:
                x, y = 0, y + HEIGHT
            yield _panel(panel, number, x, y)
            number, x = number + 1, x + panel.width
        y += HEIGHT


def _heading(title: str, number: int, y: int) -> dict[str, Any]:
    place = {"x": 0, "y": y, "w": WIDE, "h": 1}
    return {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}


def _panel(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": HEIGHT},
        "links": [_link(f"Runbook: {alert}", alert) for alert in panel.alerts],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
        "targets": [_target(query, letter) for query, letter in zip(panel.queries, "ABCDEFGH", strict=False)],
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.red is not None:
        steps.append({"color": "red", "value": panel.red})
    fields: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.kind == "stat":
        fields["color"] = {"mode": "thresholds"}
    elif panel.red is not None:
        fields["custom"] = {"thresholdsStyle": {"mode": "line"}}
    return fields


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "stat":
        return {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background", "graphMode": "area"}
    return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}


def _target(query: Query, letter: str) -> dict[str, Any]:
    target = {"refId": letter, "datasource": SOURCE, "expr": query.expr, "legendFormat": query.legend}
    return target | {"exemplar": True} if "_bucket" in query.expr else target


def _link(title: str, page: str) -> dict[str, Any]:
    return {"title": title, "type": "link", "url": f"${{runbooks}}/{page}.md", "targetBlank": True}


def _to_the_others() -> dict[str, Any]:
    return {
        "title": "Smart Payment Service",
        "type": "dashboards",
        "tags": ["smart-payment-service"],
        "asDropdown": True,
        "keepTime": True,
    }


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _runbooks() -> dict[str, Any]:
    """Where the pages of `docs/runbooks` can be read: whoever installs the dashboards says it."""
    return {"name": "runbooks", "type": "constant", "query": "docs/runbooks", "hide": 2}


def _alerts_over_time() -> dict[str, Any]:
    return {
        "name": "Alerts that wake somebody",
        "datasource": SOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": 'ALERTS{alertstate="firing", severity="page"}',
        "titleFormat": "{{alertname}}",
    }
