"""The chart as data: rendered by Helm, read strictly, with short ways to its pods."""

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from sps_cli.tools.go_tools import HELM_3, HELM_4, KUBE_APISERVERS, Tool, tool_path
from sps_cli.tools.manifests import APIS as APIS  # noqa: PLC0414 the tests' name for it

ROOT: Final = Path(__file__).parents[2]
CHART: Final = ROOT / "deploy" / "k8s" / "charts" / "smart-payment-service"
MODULES: Final = ROOT / "deploy" / "tools"
CI: Final = tuple(
    sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml"))
)
HELMS: Final = (HELM_3, HELM_4)
KUBERNETES: Final = tuple(each.version for each in KUBE_APISERVERS)
RELEASE: Final = "sps"
FULLNAME: Final = "sps-smart-payment-service"
NAMESPACE: Final = "pay"
HELM_S: Final = 60.0
NAME: Final = "app.kubernetes.io/name"
COMPONENT: Final = "app.kubernetes.io/component"

Object = dict[str, Any]


class HelmRefused(Exception):
    """Helm ended with an error; the message is what it said."""


class _Strict(yaml.SafeLoader):
    """Refuses a key that stands twice, of which YAML readers silently take the last."""


def _no_duplicates(loader: _Strict, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    twice = {key for key in keys if keys.count(key) > 1 and key != "<<"}
    if twice:
        raise ValueError(f"{sorted(twice)} stand twice in line {node.start_mark.line + 1}")
    loader.flatten_mapping(node)
    return dict(loader.construct_pairs(node, deep))


_Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _no_duplicates)


def read(text: str) -> list[Object]:
    """All objects of a stream of documents."""
    return [found for found in yaml.load_all(text, Loader=_Strict) if found]


def helm(tool: Tool, *words: str) -> str:
    """What Helm printed. Raises `HelmRefused`."""
    command = [str(tool_path(tool, MODULES)), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HELM_S, check=False)  # noqa: S603 our own words
    if done.returncode:
        raise HelmRefused(done.stderr)
    return done.stdout


def values_file(values: str) -> tuple[str, str]:
    """The words by which Helm is given a file of `ci/`."""
    return ("--values", str(CHART / "ci" / f"{values}-values.yaml"))


def template(
    tool: Tool,
    values: str,
    kubernetes: str,
    *more: str,
    apis: tuple[str, ...] = APIS,
    namespace: str = NAMESPACE,
) -> str:
    """The rendered text of a file of `ci/`."""
    return helm(
        tool, "template", RELEASE, str(CHART), "--namespace", namespace, "--kube-version", kubernetes,
        *(word for api in apis for word in ("--api-versions", api)),
        *values_file(values), *more,
    )  # fmt: skip


@cache
def rendered(values: str, *more: str) -> tuple[Object, ...]:
    """The objects of a file of `ci/`, by the newest Helm for the newest Kubernetes."""
    return tuple(read(template(HELM_4, values, KUBERNETES[-1], *more)))


def of_kind(objects: tuple[Object, ...], *kinds: str) -> list[Object]:
    return [each for each in objects if each["kind"] in kinds]


def workloads(objects: tuple[Object, ...]) -> list[Object]:
    return of_kind(objects, "Deployment", "StatefulSet")


def pod_of(workload: Object) -> Object:
    spec: Object = workload["spec"]["template"]["spec"]
    return spec


def labels_of(workload: Object) -> dict[str, str]:
    labels: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return labels


def component_of(workload: Object) -> str:
    return labels_of(workload)[COMPONENT]


def container_of(workload: Object) -> Object:
    (container,) = pod_of(workload)["containers"]
    found: Object = container
    return found


def plain_environment(workload: Object) -> dict[str, str]:
    """The variables that have their value in the object itself."""
    return {each["name"]: each["value"] for each in container_of(workload)["env"] if "value" in each}


def mounted_files(workload: Object, volume: str = "secrets") -> dict[str, tuple[str, str]]:
    """The files of a projected volume, with the name of the object that each comes from and its key in there."""
    (found,) = [each for each in pod_of(workload)["volumes"] if each["name"] == volume]
    return {item["path"]: (name, item["key"]) for name, item in _items(found["projected"]["sources"])}


def _items(sources: list[Object]) -> Iterator[tuple[str, Object]]:
    for source in sources:
        (kept,) = source.values()
        for item in kept["items"]:
            yield kept["name"], item


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a selector of equal labels takes a pod."""
    assert selector.keys() <= {"matchLabels"}
    return selector.get("matchLabels", {}).items() <= labels.items()
