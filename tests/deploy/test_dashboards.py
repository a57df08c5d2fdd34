"""Each dashboard is read by Grafana's own types and comes out as it went in: no key that Grafana does not know.

Grafana's types drop what they do not know, so a misspelt option of a panel shows as a difference.
"""

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.deploy

DASHBOARDS = sorted((Path(__file__).parents[2] / "deploy" / "observe" / "dashboards").glob("*.json"))
OF_THE_SOURCE = "/annotations/list/0/titleFormat"
"""A key that belongs to the query language of Prometheus, which the type of an annotation leaves open."""


def differences(ours: Any, theirs: Any, path: str = "") -> set[str]:
    """Where what came out is not what went in; what Grafana adds of its own does not count."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        lost = {f"{path}/{key}" for key in ours.keys() - theirs.keys()}
        return lost.union(
            *(differences(ours[key], theirs[key], f"{path}/{key}") for key in ours.keys() & theirs)
        )
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = enumerate(zip(ours, theirs, strict=True))
        return set().union(*(differences(one, other, f"{path}/{at}") for at, (one, other) in pairs))
    return set() if ours == theirs else {path}


def read_by_grafana(dashboard: dict[str, Any]) -> Any:
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    register_default_plugins()  # panels and queries have types of their own
    return json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_grafana_knows_every_key_of_a_dashboard(path):
    dashboard = json.loads(path.read_bytes())
    assert differences(dashboard, read_by_grafana(dashboard)) == {OF_THE_SOURCE}


@pytest.mark.parametrize("where", ["options", "fieldConfig/defaults", "targets/0"])
def test_a_key_that_a_panel_does_not_have_is_found(where):
    dashboard = json.loads(DASHBOARDS[0].read_bytes())
    at = [panel["type"] for panel in dashboard["panels"]].index("timeseries")
    spot = dashboard["panels"][at]
    for step in where.split("/"):
        spot = spot[int(step) if step.isdigit() else step]
    spot["mispelt"] = 1
    found = differences(dashboard, read_by_grafana(dashboard)) - {OF_THE_SOURCE}
    assert found == {f"/panels/{at}/{where}/mispelt"}
