"""What `make test-deploy` shows at its end: for each values file, Helm and Kubernetes, which steps went well.

A test that is a step says so by `@pytest.mark.step("install")`. Its parameters `values`, `tool` and `kubernetes` say
which rows it stands for; one that it does not have stands for all.
"""

import time
from collections import defaultdict
from contextlib import contextmanager
from functools import cache
from typing import Final

import pytest
from api_server import ApiServer
from chart_kit import CI, HELMS, KUBERNETES, ROOT, component_of, read, rendered, workloads
from operator_kinds import definitions

from sps_cli.tools.go_tools import KUBE_APISERVERS
from sps_cli.tools.manifests import MANIFESTS

STEPS: Final = ("render", "schema", "policy", "install", "upgrade", "rollback", "uninstall")
GOOD, BAD, UNTRIED = "ok", "FAILED", "not run"

Row = tuple[str, str, str]
_results: Final[dict[tuple[Row, str], set[str]]] = defaultdict(set)


KNOWN_S: Final = 60.0


@cache
def _pods():
    """Read from the committed manifests, so that nothing has to be rendered to collect the tests."""
    return [
        (values, component_of(each))
        for values in CI
        for each in workloads(read((ROOT / MANIFESTS / f"{values}.yaml").read_text()))
    ]


def pytest_generate_tests(metafunc):
    if "workload" in metafunc.fixturenames:
        metafunc.parametrize("workload", _pods(), ids="-".join, indirect=True)


@pytest.fixture
def workload(request):
    """A Deployment or StatefulSet, rendered."""
    values, component = request.param
    (found,) = [each for each in workloads(rendered(values)) if component_of(each) == component]
    return found


@pytest.fixture(scope="session", params=KUBE_APISERVERS, ids=lambda tool: tool.version)
def server(request, tmp_path_factory):
    """A real API server that knows the operators' kinds."""
    with ApiServer(request.param, tmp_path_factory.mktemp("api-server")) as running:
        running.apply(*definitions())
        running.kubectl("wait", "crd", "--all", "--for=condition=Established", f"--timeout={KNOWN_S:g}s")
        yield running


@pytest.fixture
def namespace(server):
    """A new namespace that enforces the restricted pod security standard."""
    name = f"t{time.monotonic_ns()}"
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
    server.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    return name


@pytest.fixture
def stage(request):
    """Use it as a context around one step of a longer test."""

    @contextmanager
    def stage(step):
        outcome = "failed"
        try:
            yield
            outcome = "passed"
        finally:
            for row in _rows(request.node.callspec):
                _results[row, step].add(outcome)

    return stage


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    marker = item.get_closest_marker("step")
    if marker is None or (report.when != "call" and report.passed):
        return
    for row in _rows(getattr(item, "callspec", None)):
        for step in marker.args:
            _results[row, step].add(report.outcome)


def _rows(callspec):
    given = callspec.params if callspec else {}
    tool, server = given.get("tool"), given.get("server")
    return [
        (values, helm.label, kubernetes)
        for values in CI
        for helm in HELMS
        for kubernetes in KUBERNETES
        if given.get("values", values) == values
        and (tool is None or tool == helm)
        and (server is None or server.version == kubernetes)
        and given.get("kubernetes", kubernetes) == kubernetes
    ]


def pytest_terminal_summary(terminalreporter):
    if not _results:
        return
    terminalreporter.section("the chart, step by step")
    rows = [("values", "Helm", "Kubernetes", *STEPS), *(_line(row) for row in _rows(None))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        terminalreporter.write_line(
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
        )


def _line(row):
    return (row[0], row[1].removeprefix("helm "), row[2], *(_cell(row, step) for step in STEPS))


def _cell(row, step):
    outcomes = _results.get((row, step))
    if not outcomes:
        return UNTRIED
    return GOOD if outcomes == {"passed"} else BAD
