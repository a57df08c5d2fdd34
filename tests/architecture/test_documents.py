"""The documents say what the code says: what is built is up to date, what is named exists, links lead somewhere."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from sps_cli.documents import configuration, metrics
from sps_cli.documents.asyncapi import RECORDS
from sps_cli.documents.catalogue import DOCUMENTS, differing
from sps_cli.documents.chart_files import CHART, copies
from sps_cli.documents.machines import MACHINES
from sps_cli.documents.mermaid import HEAD, check, diagrams_in

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

NAMED = re.compile(r"\bdocs/[\w/-]+\.(?:md|json)\b", re.ASCII)
LINK = re.compile(r"\[[^\]]*\]\(([^()\s]+)\)")
ELSEWHERE = re.compile(r"(?:https?|mailto):")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
METRIC_KINDS = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}


@cache
def files() -> tuple[Path, ...]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S603 fixed words
    return tuple(path for line in sorted(listed.splitlines()) if (path := ROOT / line).is_file())


def pages() -> list[Path]:
    return [path for path in files() if path.suffix == ".md"]


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def anchors(path: Path) -> frozenset[str]:
    """The anchors of a page's headings, spelled as a forge spells them."""
    headings = re.findall(r"^#+ +(.+?)\s*$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return frozenset(heading.replace(" ", "-") for heading in kept)


def broken_links(path: Path) -> list[str]:
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    return [
        link for link in LINK.findall(text) if not ELSEWHERE.match(link) and not leads_somewhere(path, link)
    ]


def leads_somewhere(path: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = path.parent / name if name else path
    return target.exists() and (not anchor or anchor in anchors(target))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_built_document_is_as_the_code_says(name):
    path = DOCS / name
    assert path.is_file(), "run: sps docs build"
    assert path.read_text(encoding="utf-8") == DOCUMENTS[name](), "run: sps docs build"


def test_the_built_files_of_the_chart_are_as_the_code_and_its_values_say():
    assert differing(DOCS) == [], "run: sps docs build"


def test_the_chart_has_no_rules_and_dashboards_but_those_of_deploy_observe():
    chart = ROOT / CHART
    there = {f"files/{path.parent.name}/{path.name}" for path in chart.glob("files/*/*")}
    assert there == copies(chart).keys()


def test_every_document_that_the_sources_name_exists():
    this = Path(__file__)
    sources = [path for path in files() if path.suffix in {".py", ".toml", ".md"} and path != this]
    named = {
        (shown(path), name) for path in sources for name in NAMED.findall(path.read_text(encoding="utf-8"))
    }
    assert {(path, name) for path, name in named if not (ROOT / name).is_file()} == set()


def test_every_relative_link_leads_somewhere():
    assert {shown(path): links for path in pages() if (links := broken_links(path))} == {}


def test_every_diagram_of_states_can_be_shown():
    found = {diagram for path in pages() for diagram in diagrams_in(path.read_text(encoding="utf-8"))}
    states = {diagram for diagram in found if diagram.startswith(HEAD)}
    assert all(check(diagram) for diagram in states)
    assert len(states) == len(MACHINES) + 2
    assert all(diagram.startswith("flowchart ") for diagram in found - states)


def test_every_decision_is_listed():
    listed = set(LINK.findall((DOCS / "decisions" / "README.md").read_text(encoding="utf-8")))
    assert {path.name for path in (DOCS / "decisions").glob("[0-9]*.md")} == listed


def test_the_records_of_topics_are_described_where_the_document_of_topics_says():
    assert {record.section for record in RECORDS.values()} <= anchors(DOCS / "protocol.md")


def test_every_setting_says_what_it_means():
    silent = [
        setting.variable
        for kind in configuration.SERVICES.values()
        for setting in configuration.settings_of(kind)
        if not setting.meaning
    ]
    assert silent == []


def test_every_service_has_its_settings_and_metrics_in_the_documents():
    services = {path.name for path in (ROOT / "services").iterdir() if (path / "pyproject.toml").is_file()}
    assert set(configuration.SERVICES) == set(metrics.SERVICES) == services


def names_of_metrics(path: Path) -> set[str]:
    """First arguments of the constructors of metrics."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        str(node.args[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] in METRIC_KINDS
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and str(node.args[0].value).startswith("sps_")
    }


def test_every_metric_of_the_sources_is_in_the_document():
    sources = [path for path in files() if path.suffix == ".py" and "src" in path.parts]
    made = set().union(*map(names_of_metrics, sources))
    shown_names = {
        metric.name for build in metrics.SERVICES.values() for metric in metrics.metrics_of(build())
    }
    assert made == shown_names


@pytest.mark.parametrize("service", metrics.SERVICES)
def test_a_service_is_said_to_have_exactly_the_shared_metrics_that_it_uses(service):
    sources = (ROOT / "services" / service / "src").rglob("*.py")
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    names = {metric.name for metric in metrics.metrics_of(metrics.SERVICES[service]())}
    member = "ChainMember(" in text
    assert ("sps_projection_position" in names) == (member or "FollowerMetrics(" in text)
    assert ("sps_outbox_pending" in names) == (member or "OutboxMetrics(" in text)
    assert ("sps_tasks_crashed_total" in names) == (member or "Supervisor(" in text)
    assert ("sps_http_requests_total" in names) == bool(re.search(r"create_app\([^)]*registry=", text))


def test_the_check_of_links_bites(tmp_path):
    page = tmp_path / "page.md"
    (tmp_path / "there.md").write_text("# Two words, and more\n")
    page.write_text(
        "[a](there.md) [b](gone.md) [c](there.md#two-words-and-more) [d](there.md#gone) [e](https://x)\n"
    )
    assert broken_links(page) == ["gone.md", "there.md#gone"]
