"""What in the Helm chart follows from elsewhere: the schema and the topics from the code, the table of values
from the values, rules and dashboards from `deploy/observe` (a chart reads no file outside its own folder).
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from sps_cli.documents.chart_schema import schema
from sps_cli.documents.chart_topics import topics
from sps_cli.documents.chart_values import with_table

CHART: Final = Path("deploy", "k8s", "charts", "smart-payment-service")
"""From the root of the repository."""


def chart_files(chart: Path) -> dict[str, Callable[[], str]]:
    """The built files of the chart in this folder, by their names in it."""
    return {
        "README.md": lambda: with_table(_text(chart / "README.md"), _text(chart / "values.yaml")),
        "values.schema.json": schema,
        "files/topics.json": topics,
        **copies(chart),
    }


def copies(chart: Path) -> dict[str, Callable[[], str]]:
    """The rules and dashboards of `deploy/observe`, by the names of their copies."""
    observe = chart.parents[2] / "observe"
    found = [*sorted(observe.glob("rules/*.yaml")), *sorted(observe.glob("dashboards/*.json"))]
    return {f"files/{path.parent.name}/{path.name}": partial(_text, path) for path in found}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
