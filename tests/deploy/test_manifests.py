"""The plain manifests and the kustomize overlays are what the chart renders."""

import subprocess

import pytest
from chart_kit import CI, MODULES, ROOT, read
from chart_kit import NAME as APP

from sps_cli.tools.go_tools import KUBECTL, tool_path
from sps_cli.tools.manifests import MANIFESTS, manifest

pytestmark = pytest.mark.deploy

KUSTOMIZE = ROOT / "deploy" / "k8s" / "kustomize"
OVERLAYS = sorted(path.name for path in (KUSTOMIZE / "overlays").iterdir())
KUSTOMIZE_S = 60


def kustomized(folder):
    command = [str(tool_path(KUBECTL, MODULES)), "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=KUSTOMIZE_S, check=False)  # noqa: S603 our own words
    assert done.returncode == 0, done.stderr
    return by_name(read(done.stdout))


def by_name(objects):
    found = {(each["kind"], each["metadata"]["name"]): each for each in objects}
    for container in (one for each in objects for one in containers(each)):
        container["env"].sort(key=lambda variable: variable["name"])  # a patch may change their order
    assert len(found) == len(objects)
    return found


def containers(each):
    return (
        each["spec"]["template"]["spec"]["containers"]
        if each["kind"] in {"Deployment", "StatefulSet"}
        else []
    )


@pytest.mark.parametrize("values", CI)
def test_a_plain_manifest_is_what_the_chart_renders(values):
    path = ROOT / MANIFESTS / f"{values}.yaml"
    assert path.read_text(encoding="utf-8") == manifest(ROOT, values), "run: make manifests"


def test_there_is_no_manifest_without_a_values_file():
    assert {path.stem for path in (ROOT / MANIFESTS).glob("*.yaml")} - {"kustomization"} == set(CI)


def test_the_base_is_the_plain_manifest():
    plain = by_name(read((ROOT / MANIFESTS / "external.yaml").read_text()))
    assert kustomized(KUSTOMIZE / "base") == plain
    assert all(APP in each["metadata"]["labels"] for each in plain.values())


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_does_what_its_values_file_says_to_the_chart(overlay):
    values = KUSTOMIZE / "overlays" / overlay / "same-as-values.yaml"
    words = ("--values", str(values), "--namespace", namespace_of(overlay))
    expected = by_name(read(manifest(ROOT, "external", *words)))
    for each in expected.values():
        each["metadata"].setdefault("namespace", namespace_of(overlay))
    assert kustomized(KUSTOMIZE / "overlays" / overlay) == expected


def namespace_of(overlay):
    (kustomization,) = read((KUSTOMIZE / "overlays" / overlay / "kustomization.yaml").read_text())
    return kustomization["namespace"]
