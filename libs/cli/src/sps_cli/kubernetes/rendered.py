"""What the rendered objects of an installation want: which keys of which Secrets, and who they are for.

The objects are those of `helm template` or of `kubectl kustomize`; nothing here knows the chart's values.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import yaml
from msgspec import Struct

Object = dict[str, Any]

COMPONENT: Final = "app.kubernetes.io/component"
STRIMZI_CLUSTER: Final = "strimzi.io/cluster"
VALIDATORS: Final = "consensus-node"
GENESIS_FILE: Final = "genesis.json"
KEYS_VOLUME: Final = "validator-keys"
BASIC_AUTH: Final = "kubernetes.io/basic-auth"
WORKLOADS: Final = frozenset({"Deployment", "StatefulSet"})


class Wanted(Struct, frozen=True, order=True):
    """One key of one Secret. `owner`: the component, a validator's `consensus-node-0`, or nobody."""

    secret: str
    key: str
    owner: str = ""


class Installation(Struct, frozen=True):
    """What a person has to provide, as the objects say it."""

    wanted: tuple[Wanted, ...]
    roles: dict[str, str]
    """Secrets of database roles, with the name of each role; CloudNativePG reads them."""
    fetched: frozenset[str]
    """Secrets that an operator brings from a store of secrets."""
    components: frozenset[str]
    validators: tuple[str, ...]
    """The pods of the validators, in order."""
    service: str
    """The name by which validators are found in the cluster."""
    genesis: tuple[str, str]
    """The ConfigMap of the genesis document and its key; empty where the objects bring it."""
    environment: dict[str, dict[str, str]]
    """The plain variables of each component."""


def read_objects(text: str) -> list[Object]:
    """All objects of a stream of YAML documents. Raises `ValueError` when it is none."""
    try:
        found = [each for each in yaml.safe_load_all(text) if each]
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    if not all(isinstance(each, dict) and "kind" in each for each in found):
        raise ValueError("not every document is an object of Kubernetes")
    return found


def installation(objects: list[Object]) -> Installation:
    """Look through the objects."""
    workloads = [each for each in objects if each["kind"] in WORKLOADS]
    roles = dict(_roles(objects))
    made = _made_by_operators(objects)
    wanted = {each for workload in workloads for each in _of_volumes(workload) if each.secret not in made}
    wanted |= {Wanted(name, "password") for name in roles}
    nodes = next((each for each in workloads if _component(each) == VALIDATORS), None)
    return Installation(
        wanted=tuple(sorted(wanted)),
        roles=roles,
        fetched=frozenset(each["spec"]["target"]["name"] for each in _kind(objects, "ExternalSecret")),
        components=frozenset(_component(each) for each in workloads),
        validators=tuple(_pods(nodes)) if nodes else (),
        service=nodes["spec"]["serviceName"] if nodes else "",
        genesis=_genesis(objects, workloads),
        environment={_component(each): dict(_plain_environment(each)) for each in workloads},
    )


def _kind(objects: Iterable[Object], kind: str) -> list[Object]:
    return [each for each in objects if each["kind"] == kind]


def _component(workload: Object) -> str:
    return str(workload["spec"]["template"]["metadata"]["labels"][COMPONENT])


def _pods(nodes: Object) -> Iterator[str]:
    for ordinal in range(nodes["spec"]["replicas"]):
        yield f"{nodes['metadata']['name']}-{ordinal}"


def _roles(objects: list[Object]) -> Iterator[tuple[str, str]]:
    for cluster in _kind(objects, "Cluster"):
        for role in cluster["spec"].get("managed", {}).get("roles", []):
            yield role["passwordSecret"]["name"], role["name"]


def _made_by_operators(objects: list[Object]) -> set[str]:
    """Strimzi makes a Secret for each user and one for its CA, CloudNativePG one for its CA."""
    users = _kind(objects, "KafkaUser")
    made = {each["metadata"]["name"] for each in users}
    made |= {f"{each['metadata']['labels'][STRIMZI_CLUSTER]}-cluster-ca-cert" for each in users}
    return made | {f"{each['metadata']['name']}-ca" for each in _kind(objects, "Cluster")}


def _sources(workload: Object) -> Iterator[tuple[str, str, Object]]:
    """The parts of the projected volumes: the volume, `secret` or `configMap`, and what is named."""
    for volume in workload["spec"]["template"]["spec"]["volumes"]:
        for source in volume.get("projected", {}).get("sources", []):
            for kind, kept in source.items():
                yield volume["name"], kind, kept


def _of_volumes(workload: Object) -> Iterator[Wanted]:
    for volume, kind, kept in _sources(workload):
        if kind != "secret":
            continue
        for item in kept["items"]:
            owner = _short(workload, item["path"]) if volume == KEYS_VOLUME else _component(workload)
            yield Wanted(kept["name"], item["key"], "" if item["key"] == "internal-token" else owner)


def _short(workload: Object, pod: str) -> str:
    """`release-chart-consensus-node-0` → `consensus-node-0`: a validator's name has 40 characters at most."""
    return f"{_component(workload)}{pod.removeprefix(workload['metadata']['name'])}"


def _genesis(objects: list[Object], workloads: list[Object]) -> tuple[str, str]:
    there = {each["metadata"]["name"] for each in _kind(objects, "ConfigMap")}
    for workload in workloads:
        for _, kind, kept in _sources(workload):
            for item in kept["items"] if kind == "configMap" else ():
                if item["path"] == GENESIS_FILE and kept["name"] not in there:
                    return kept["name"], item["key"]
    return "", ""


def _plain_environment(workload: Object) -> Iterator[tuple[str, str]]:
    for container in workload["spec"]["template"]["spec"]["containers"]:
        for variable in container.get("env", []):
            if "value" in variable:
                yield variable["name"], variable["value"]
