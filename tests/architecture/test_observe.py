"""Rules, dashboards and runbooks name what exists, and nothing is left without its page or its test."""

import json
import re
from functools import cache
from pathlib import Path

import pytest
import yaml
from promql import labels_in, metrics_in

from sps_cli.documents.dashboards import DASHBOARDS
from sps_cli.documents.metrics import SERVICES, exported, metrics_of

ROOT = Path(__file__).parents[2]
OBSERVE = ROOT / "deploy" / "observe"
RUNBOOKS = ROOT / "docs" / "runbooks"
OF_PROMETHEUS = {"up", "ALERTS"}
LABELS_OF_PROMETHEUS = {"job", "instance", "le", "alertname", "alertstate", "severity"}
SECTIONS = ["## See it", "## Do first", "## Never", "## Over when"]
RULE_FILES = sorted(OBSERVE.glob("rules/*.yaml"))


@cache
def rules():
    groups = [group for path in RULE_FILES for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def alerts():
    return [rule for rule in rules() if "alert" in rule]


def names():
    return {alert["alert"] for alert in alerts()}


def pages():
    return [json.loads(path.read_text()) for path in sorted(OBSERVE.glob("dashboards/*.json"))]


def panels(page):
    return [panel for panel in page["panels"] if panel["type"] != "row"]


def expressions():
    queries = [
        (page["title"], target["expr"]) for page in pages() for p in panels(page) for target in p["targets"]
    ]
    notes = [(page["title"], note["expr"]) for page in pages() for note in page["annotations"]["list"]]
    return [*((rule.get("alert") or rule["record"], rule["expr"]) for rule in rules()), *queries, *notes]


def test_the_files_are_found():
    assert len(RULE_FILES) == 5
    assert len(names()) > 40
    assert len(pages()) == len(DASHBOARDS) == 8


def test_every_metric_of_rules_and_dashboards_is_exported_by_the_code_or_recorded():
    known = exported() | {rule["record"] for rule in rules() if "record" in rule} | OF_PROMETHEUS
    unknown = {(where, name) for where, expr in expressions() for name in metrics_in(expr) - known}
    assert unknown == set()
    assert all(metrics_in(expr) for _, expr in expressions())


def test_every_label_of_rules_and_dashboards_is_one_of_its_metrics():
    known = {label for build in SERVICES.values() for each in metrics_of(build()) for label in each.labels}
    unknown = {(where, label) for where, expr in expressions() for label in labels_in(expr) - known}
    assert {each for each in unknown if each[1] not in LABELS_OF_PROMETHEUS} == set()


@pytest.mark.parametrize(
    "alert", alerts(), ids=lambda alert: f"{alert['alert']}-{alert['labels']['severity']}"
)
def test_an_alert_says_how_urgent_it_is_what_it_means_and_what_to_do(alert):
    assert alert["labels"]["severity"] in {"page", "ticket"}
    said = alert["annotations"]
    assert said["summary"]
    assert said["description"].endswith(".")
    assert said["runbook_url"] == f"docs/runbooks/{alert['alert']}.md"


@pytest.mark.parametrize("name", sorted(names()))
def test_an_alert_has_a_runbook_with_the_four_parts_in_order(name):
    text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## .*$", text, re.MULTILINE) == SECTIONS
    severities = {alert["labels"]["severity"] for alert in alerts() if alert["alert"] == name}
    first = text.split("\n\n")[1]
    assert {each for each in ("page", "ticket") if each in first.partition(".**")[0].lower()} == severities


def test_every_runbook_belongs_to_an_alert_and_stands_in_the_list():
    written = {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"}
    listed = set(re.findall(r"^\| \[(\w+)\]", (RUNBOOKS / "README.md").read_text(), re.MULTILINE))
    assert written == listed == names()


def test_runbooks_name_only_metrics_that_exist():
    known = exported() | {name.removesuffix("_bucket") for name in exported()}
    known |= {rule["record"] for rule in rules() if "record" in rule}
    for path in RUNBOOKS.glob("*.md"):
        named = set(re.findall(r"\bsps_\w+", path.read_text(encoding="utf-8")))
        assert named - known == set(), path.name


def test_every_alert_fires_in_one_case_and_is_silent_in_another():
    fires, silent = set(), set()
    for path in OBSERVE.glob("rules/tests/*.yaml"):
        for case in yaml.safe_load(path.read_text())["tests"]:
            for each in case.get("alert_rule_test", ()):
                (fires if each["exp_alerts"] else silent).add(each["alertname"])
    assert fires == silent == names()


def test_a_dashboard_has_a_fixed_name_and_takes_its_data_from_where_the_reader_says():
    pages_by_name = {page["uid"]: page for page in pages()}
    assert set(pages_by_name) == {dashboard.uid for dashboard in DASHBOARDS}
    for uid, page in pages_by_name.items():
        assert (OBSERVE / "dashboards" / f"{uid}.json").is_file()
        assert [each["name"] for each in page["templating"]["list"]] == ["datasource", "runbooks"]
        sources = {target["datasource"]["uid"] for panel in panels(page) for target in panel["targets"]}
        assert sources == {"${datasource}"}


def test_a_panel_has_a_description_a_unit_and_links_to_runbooks_that_exist():
    for page in pages():
        for panel in panels(page):
            where = (page["title"], panel["title"])
            assert panel["description"].endswith("."), where
            assert panel["fieldConfig"]["defaults"]["unit"], where
            assert {link["url"] for link in panel["links"]} <= {
                f"${{runbooks}}/{name}.md" for name in names()
            }, where


def test_panels_do_not_lie_on_each_other():
    for page in pages():
        taken = set()
        for panel in page["panels"]:
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & taken, (page["title"], panel["title"])
            assert place["x"] + place["w"] <= 24
            taken |= cells


def test_every_metric_of_ours_is_looked_at_by_a_rule_or_a_dashboard():
    seen = {
        re.sub(r"_(?:bucket|sum|count)$", "", name) for _, expr in expressions() for name in metrics_in(expr)
    }
    made = {metric.name for build in SERVICES.values() for metric in metrics_of(build())}
    assert made - seen == set()


@pytest.mark.parametrize(
    ("expression", "metrics", "labels"),
    [
        (
            'sum by (job) (rate(sps_a_total{code=~"5..", x!="y"}[5m])) > 0.2',
            {"sps_a_total"},
            {"job", "code", "x"},
        ),
        ("sps_a == 1 and on (job, instance) job:b:rate5m", {"sps_a", "job:b:rate5m"}, {"job", "instance"}),
        ('label_replace(absent(sps_a), "s", "t", "", "") or sps_b offset 1d', {"sps_a", "sps_b"}, set()),
        ("time() - scalar(max(sps_a)) > 14.4 * 0.001", {"sps_a"}, set()),
        ("rate(sps_a_bucket{}[$__rate_interval])", {"sps_a_bucket"}, set()),
    ],
)
def test_the_reader_of_expressions_finds_names_and_labels(expression, metrics, labels):
    assert metrics_in(expression) == metrics
    assert labels_in(expression) == labels
