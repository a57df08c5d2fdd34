"""All documents that are built, writing them and comparing them with what is there."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from sps_cli.documents.asyncapi import asyncapi
from sps_cli.documents.chart_files import CHART, chart_files
from sps_cli.documents.configuration import configuration
from sps_cli.documents.cost import cost_page
from sps_cli.documents.dashboards import DASHBOARDS
from sps_cli.documents.dashboards.grafana import spelled
from sps_cli.documents.machines_page import machines
from sps_cli.documents.metrics import metrics
from sps_cli.documents.objectives import objectives

OBSERVE: Final = "../deploy/observe"
"""Beside the folder of the documents."""

Builders = dict[str, Callable[[], str]]

DOCUMENTS: Final[Builders] = {
    "machines.md": machines,
    "configuration.md": configuration,
    "metrics.md": metrics,
    "asyncapi.json": asyncapi,
    "cost.md": cost_page,
    f"{OBSERVE}/rules/objectives.yaml": objectives,
    **{f"{OBSERVE}/dashboards/{dashboard.uid}.json": partial(spelled, dashboard) for dashboard in DASHBOARDS},
}
"""By the path from the folder of the documents."""


def write(folder: Path) -> list[str]:
    """Write all documents; the names of those that were new or different. The chart's are copies of some."""
    folder.mkdir(parents=True, exist_ok=True)
    return _write(folder, DOCUMENTS) + _write(folder, _of_the_chart(folder))


def _write(folder: Path, builders: Builders) -> list[str]:
    changed = {name: build() for name, build in builders.items() if _text(folder / name) != build()}
    for name, text in changed.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return list(changed)


def differing(folder: Path) -> list[str]:
    """The names of documents that are missing or are not what the code says now."""
    return [
        name for name, build in (DOCUMENTS | _of_the_chart(folder)).items() if _text(folder / name) != build()
    ]


def _of_the_chart(folder: Path) -> Builders:
    """The built files of the chart, where it lies beside the folder of the documents."""
    chart = folder.parent / CHART
    built = chart_files(chart) if chart.is_dir() else {}
    return {str(Path("..", CHART, name)): build for name, build in built.items()}


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
