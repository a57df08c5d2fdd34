"""All documents that are built, writing them and comparing them with what is there."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from sps_cli.documents.asyncapi import asyncapi
from sps_cli.documents.chart_files import CHART, chart_files
from sps_cli.documents.configuration import configuration
from sps_cli.documents.machines_page import machines
from sps_cli.documents.metrics import metrics

DOCUMENTS: Final[dict[str, Callable[[], str]]] = {
    "machines.md": machines,
    "configuration.md": configuration,
    "metrics.md": metrics,
    "asyncapi.json": asyncapi,
}


def write(folder: Path) -> list[str]:
    """Write all documents; the names of those that were new or different."""
    changed = differing(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in changed:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(_builders(folder)[name](), encoding="utf-8")
    return changed


def differing(folder: Path) -> list[str]:
    """The names of documents that are missing or are not what the code says now."""
    return [name for name, build in _builders(folder).items() if _text(folder / name) != build()]


def _builders(folder: Path) -> dict[str, Callable[[], str]]:
    """The documents, and the built files of the chart where it lies beside their folder."""
    chart = folder.parent / CHART
    built = chart_files(chart) if chart.is_dir() else {}
    return DOCUMENTS | {str(Path("..", CHART, name)): build for name, build in built.items()}


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
