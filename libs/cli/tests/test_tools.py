"""Programs of others: each has a place in the cache by what it is made of, and a missing one says what to do."""

import json
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from sps.runtime.errors import Refusal, Trouble
from sps_cli.main import app
from sps_cli.tools import go_tools
from sps_cli.tools.definitions import DEFINITIONS, Definitions, definition_files, fetch_definitions
from sps_cli.tools.go_tools import HELM_3, HELM_4, fetch, tool_path


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPS_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def _nothing_beside_python(tmp_path, monkeypatch):
    """`make test-deploy` installs a compiler there."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))


def built(tool, modules):
    """Put a program where the build would."""
    path = fetch(tool, modules)
    path.write_text("program")
    return path


@pytest.fixture
def _no_build(monkeypatch):
    monkeypatch.setattr(go_tools, "_build", lambda tool, _, folder: (folder / tool.name).touch())


def test_a_tool_that_is_missing_is_named_with_the_command_that_gets_it(tmp_path):
    with pytest.raises(Refusal, match=r"helm 4\.[\d.]+ is not in the cache: run `sps tools fetch`"):
        tool_path(HELM_4, tmp_path)


@pytest.mark.usefixtures("_no_build")
def test_a_built_tool_is_found_again_and_two_versions_live_side_by_side(tmp_path):
    three, four = built(HELM_3, tmp_path), built(HELM_4, tmp_path)
    assert three != four
    assert tool_path(HELM_3, tmp_path) == three == fetch(HELM_3, tmp_path)
    assert tool_path(HELM_4, tmp_path) == four


@pytest.mark.usefixtures("_no_build")
def test_another_way_to_build_is_another_tool(tmp_path):
    built(HELM_3, tmp_path)
    with pytest.raises(Refusal, match="not in the cache"):
        tool_path(replace(HELM_3, ldflags=""), tmp_path)


@pytest.mark.usefixtures("_no_build")
def test_a_module_of_ours_is_part_of_what_a_tool_is_made_of(tmp_path):
    modules = tmp_path / "modules"
    (modules / "own").mkdir(parents=True)
    (modules / "own" / "go.mod").write_text("module own")
    tool = go_tools.Tool("own", "1", module="own")
    first = built(tool, modules)
    (modules / "own" / "go.mod").write_text("module other")
    assert built(tool, modules) != first


@pytest.fixture
def _bare(tmp_path, monkeypatch):
    """A machine without a compiler."""
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("_bare")
def test_without_go_the_command_says_what_is_missing(tmp_path):
    result = CliRunner().invoke(app, ["tools", "fetch", "--modules", str(tmp_path)])
    assert result.exit_code == 1
    assert "needs Go" in result.output or "needs Go" in str(result.exception)


KINDS = Definitions("kinds", "example.org/kinds", "1.0.0", "h1:right=", ("crds/one.yaml",))


@pytest.fixture
def _module(tmp_path, monkeypatch):
    """A `go` that has downloaded one module."""
    (tmp_path / "module" / "crds").mkdir(parents=True)
    (tmp_path / "module" / "crds" / "one.yaml").write_text("kind: CustomResourceDefinition\n")
    said = json.dumps({"Dir": str(tmp_path / "module"), "Sum": "h1:right="})
    program = tmp_path / "bin" / "go"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{said}\nEND\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")


@pytest.mark.usefixtures("_module")
def test_kinds_are_copied_from_their_module_once(tmp_path):
    folder = fetch_definitions(KINDS, tmp_path)
    assert [path.read_text() for path in definition_files(KINDS, tmp_path)] == [
        "kind: CustomResourceDefinition\n"
    ]
    assert fetch_definitions(KINDS, tmp_path) == folder


@pytest.mark.usefixtures("_module")
def test_kinds_that_are_not_what_they_were_are_refused_and_not_kept(tmp_path):
    other = replace(KINDS, digest="h1:other=")
    with pytest.raises(Trouble, match="not what it was: h1:right= instead of h1:other="):
        fetch_definitions(other, tmp_path)
    with pytest.raises(Refusal, match="run `sps tools fetch`"):
        definition_files(other, tmp_path)


@pytest.mark.usefixtures("_bare")
@pytest.mark.parametrize("wanted", DEFINITIONS, ids=lambda wanted: wanted.label)
def test_kinds_that_are_missing_are_named_with_the_command_that_gets_them(wanted):
    modules = Path(__file__).parents[3] / "deploy" / "tools"
    with pytest.raises(Refusal, match=wanted.label):
        definition_files(wanted, modules)
    with pytest.raises(Refusal, match=r"`make test-deploy`|apt-get install maven"):
        fetch_definitions(wanted, modules)
