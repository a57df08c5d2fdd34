"""The schema of the values is closed at every level that is ours, and Helm keeps it."""

import json
from collections.abc import Iterator

import pytest
import yaml
from chart_kit import CHART, CI, HELMS, KUBERNETES, HelmRefused, read, template
from jsonschema import Draft7Validator

from sps_cli.documents.chart_schema import COMPONENTS

pytestmark = pytest.mark.deploy

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())


def resolved(part):
    return SCHEMA["definitions"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part


def objects(part, place="") -> Iterator[tuple[str, dict]]:
    """Every object of the schema whose keys are listed."""
    part = resolved(part)
    if "properties" in part:
        yield place, part
        for name, below in part["properties"].items():
            yield from objects(below, f"{place}.{name}")
    if "items" in part:
        yield from objects(part["items"], f"{place}[]")


def keys(values, place="") -> Iterator[str]:
    for name, value in values.items():
        yield f"{place}.{name}"
        if isinstance(value, dict):
            yield from keys(value, f"{place}.{name}")


def problems(values) -> list[str]:
    return [error.message for error in Draft7Validator(SCHEMA).iter_errors(values)]


@pytest.mark.step("schema")
@pytest.mark.parametrize("kubernetes", KUBERNETES)
@pytest.mark.parametrize("tool", HELMS, ids=lambda tool: tool.label)
@pytest.mark.parametrize("values", CI)
def test_kubernetes_knows_every_field_of_its_own_kinds(values, tool, kubernetes):
    from kubernetes_validate import validate

    own = [each for each in read(template(tool, values, kubernetes)) if is_built_in(each["apiVersion"])]
    for each in own:
        validate(each, kubernetes.rpartition(".")[0], strict=True)
    assert {"Service", "StatefulSet", "NetworkPolicy"} <= {each["kind"] for each in own}


def is_built_in(version):
    group = version.rpartition("/")[0]
    return "." not in group or group.endswith(".k8s.io")


@pytest.mark.parametrize("kubernetes", KUBERNETES)
def test_a_field_that_kubernetes_does_not_know_is_found(kubernetes):
    from kubernetes_validate import ValidationError, validate

    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"unheardOf": 1}}
    with pytest.raises(ValidationError, match="unheardOf"):
        validate(service, kubernetes.rpartition(".")[0], strict=True)


def test_the_schema_is_one():
    Draft7Validator.check_schema(SCHEMA)


def test_every_listed_object_is_closed():
    assert [place for place, part in objects(SCHEMA) if part.get("additionalProperties") is not False] == []


def test_the_defaults_and_every_values_file_keep_the_schema():
    assert problems(VALUES) == []
    for values in CI:
        assert problems(yaml.safe_load((CHART / "ci" / f"{values}-values.yaml").read_text())) == []


def test_everything_that_the_schema_allows_is_in_the_values_and_so_in_the_readme():
    free = {f".{component}.settings" for component in COMPONENTS} | {".global"}
    inner = (".settings.", ".resources", ".storage")
    allowed = {
        f"{place}.{name}"
        for place, part in objects(SCHEMA)
        for name in part["properties"]
        if not any(word in f"{place}.{name}" for word in inner)
        and not any(place.startswith(each) for each in free)
    }
    assert allowed - set(keys(VALUES)) - free == set()


@pytest.mark.parametrize(
    "change",
    [
        "unknown=1",
        "image.registri=x",
        "kafka.mode=embedded",
        "kafka.prefix=without-a-dot",
        "kafka.external.bootstrapServers={no-port}",
        "kafka.external.tls.enable=true",
        "postgres.cnpg.instances=0",
        "networkPolicy.internet.cidrs={everywhere}",
        "contractApi.replicaCount=2",
        "contractApi.autoscaling.enabled=true",
        "contractApi.settings.wait_s=31",
        "contractApi.settings.wait=3",
        "contractApi.settings.internal_token=secret",
        "paymentGateway.settings.payout_lease_s=601",
        "paymentGateway.settings.kafka_password=secret",
        "settlement.settings.spread_bp=-1",
        "settlement.image.digest=sha256:abc",
        "settlement.ingress.enabled=true",
        "consensusNode.replicaCount=0",
        "consensusNode.persistence.accessMode=ReadWriteMany",
        "consensusNode.antiAffinity=maybe",
        "consensusNode.pdb.maxUnavailable=4",
        "sandbox.settings.floats[0].provider=paypal",
        "carrierGateway.serviceAccount.automount=true",
    ],
)
@pytest.mark.parametrize("tool", HELMS, ids=lambda tool: tool.label)
def test_what_is_not_in_the_schema_is_refused(tool, change):
    with pytest.raises(HelmRefused, match=r"schema|additional|[Aa]dditional"):
        template(tool, "external", KUBERNETES[-1], "--set", change)
