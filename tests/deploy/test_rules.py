"""Rules, their tests, and the dashboards' expressions, before Prometheus's own tool."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from sps_cli.documents.metrics import SERVICES

pytestmark = pytest.mark.deploy

OBSERVE = Path(__file__).parents[2] / "deploy" / "observe"


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    assert found, "promtool is missing; on Debian: apt-get install prometheus"
    return found


def said(*command: str | Path, text: bytes = b"") -> str:
    """What the tool says; it has to be content."""
    done = subprocess.run(command, input=text, capture_output=True, check=False)  # noqa: S603 fixed words
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return done.stdout.decode()


def test_the_rules_are_valid(promtool):
    assert said(promtool, "check", "rules", *sorted(OBSERVE.glob("rules/*.yaml"))).count("SUCCESS") == 5


@pytest.mark.parametrize("path", sorted(OBSERVE.glob("rules/tests/*.yaml")), ids=lambda path: path.stem)
def test_every_alert_fires_and_is_silent_as_its_cases_say(promtool, path):
    said(promtool, "test", "rules", path)


def test_the_expressions_of_the_dashboards_are_valid(promtool, tmp_path):
    pages = [json.loads(path.read_text()) for path in sorted(OBSERVE.glob("dashboards/*.json"))]
    found = [
        target["expr"] for page in pages for panel in page["panels"] for target in panel.get("targets", ())
    ]
    as_rules = [
        {"record": f"panel:expression:{number}", "expr": expr.replace("$__rate_interval", "5m")}
        for number, expr in enumerate(found)
    ]
    path = tmp_path / "expressions.yaml"
    path.write_text(json.dumps({"groups": [{"name": "dashboards", "rules": as_rules}]}))
    assert f"{len(found)} rules found" in said(promtool, "check", "rules", path)


@pytest.mark.parametrize("service", SERVICES)
def test_the_names_and_helps_of_the_metrics_are_as_prometheus_wants_them(promtool, service):
    assert said(promtool, "check", "metrics", text=generate_latest(SERVICES[service]())) == ""
