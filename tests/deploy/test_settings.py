"""What a pod is told is what its process takes: every variable exists, every required one is set, all files are there."""

from pathlib import Path

import pytest
from chart_kit import (
    FULLNAME,
    HelmRefused,
    component_of,
    container_of,
    mounted_files,
    plain_environment,
    pod_of,
    rendered,
    workloads,
)

from sps.eventlog.address import read_address
from sps.runtime.environment import read_environment
from sps_cli.documents.configuration import SERVICES, settings_of

pytestmark = pytest.mark.deploy

FOLDER = Path("/run/secrets/sps")
OF_OTHERS = {"PGSSLMODE", "PGSSLROOTCERT", "PGPASSWORD", "POD_NAME"}
"""Read by the driver of PostgreSQL; and by the kubelet alone."""
FILE = "_FILE"
DATABASE = "postgresql+asyncpg://sps:word@postgres:5432/sps"
LIKELY = {
    "database-url": DATABASE,
    "stripe-webhook-secrets": '["whsec_one"]',
    "tracking-pepper": "ab" * 32,
}
"""Contents of secret files; any other may be any text."""


def settings(workload):
    return {each.variable: each for each in settings_of(SERVICES[component_of(workload)])}


def names(workload):
    return [each["name"] for each in container_of(workload)["env"]]


def read_by_the_process(workload):
    """The environment with the secret files' contents in the place of their paths."""
    known, found = settings(workload), {}
    for name, value in plain_environment(workload).items():
        bare = name.removesuffix(FILE)
        if name not in known and bare in known and known[bare].secret:
            found[bare] = LIKELY.get(Path(value).name, "x" * 32)
        else:
            found[name] = value
    return found


def test_every_variable_of_a_pod_is_in_the_configuration(workload):
    known = settings(workload)
    files = {f"{name}{FILE}" for name, setting in known.items() if setting.secret}
    assert set(names(workload)) - OF_OTHERS - known.keys() - files == set()


def test_no_variable_stands_twice(workload):
    assert len(names(workload)) == len(set(names(workload)))


def test_every_required_setting_is_given(workload):
    required = {name for name, setting in settings(workload).items() if "required" in setting.default}
    assert {
        name for name in required if name not in names(workload) and f"{name}{FILE}" not in names(workload)
    } == set()


def test_the_process_takes_its_environment(workload):
    reading = read_environment(SERVICES[component_of(workload)], read_by_the_process(workload))
    assert [str(problem) for problem in reading.problems] == []


def test_no_secret_stands_in_the_object_itself(workload):
    known = settings(workload)
    without_password = {name for name in names(workload) if name.endswith("_DATABASE_URL")}
    plain = {name for name in plain_environment(workload) if name in known and known[name].secret}
    assert plain <= without_password
    assert all(":" not in plain_environment(workload)[name].split("//")[1].split("@")[0] for name in plain)


def test_every_file_that_a_variable_names_is_mounted_and_no_other(workload):
    named = {
        Path(value).name for value in plain_environment(workload).values() if Path(value).parent == FOLDER
    }
    assert named == mounted_files(workload).keys()
    mounts = {each["name"]: each for each in container_of(workload)["volumeMounts"]}
    assert mounts["secrets"]["mountPath"] == str(FOLDER)


def test_secret_files_are_as_a_process_wants_its_key(workload):
    """Root's, readable by the pods' own group: see `sps.runtime.keys`."""
    projected = [each["projected"] for each in pod_of(workload)["volumes"] if "projected" in each]
    assert {each["defaultMode"] for each in projected} == {0o440}
    assert pod_of(workload)["securityContext"]["fsGroup"] == 10001


def test_the_event_log_of_a_pod_is_an_address(workload):
    found = [value for name, value in plain_environment(workload).items() if name.endswith("_EVENT_LOG")]
    assert len(found) == (component_of(workload) != "sandbox")
    assert all(read_address(address) for address in found)


def test_a_setting_given_by_a_person_reaches_the_pod_once_and_wins():
    words = (
        "--set-json",
        "contractApi.settings.wait_s=3.5",
        "--set",
        "paymentGateway.settings.payout_lease_s=300",
    )
    found = {component_of(each): each for each in workloads(rendered("external", *words))}
    assert plain_environment(found["contract-api"])["CONTRACT_API_WAIT_S"] == "3.5"
    assert plain_environment(found["payment-gateway"])["PAYMENT_GATEWAY_PAYOUT_LEASE_S"] == "300"
    assert plain_environment(found["contract-api"])["CONTRACT_API_DATABASE_POOL_SIZE"] == "8"


def test_traces_are_told_to_everybody_at_once():
    for workload in workloads(rendered("external")):
        told = {name: text for name, text in plain_environment(workload).items() if "_TRACE_" in name}
        assert sorted(told.values()) == ["0.1", "http://collector.monitoring:4318"]
    assert not any(
        "_TRACE_" in name for each in workloads(rendered("sandbox")) for name in plain_environment(each)
    )


def test_a_large_number_is_not_written_with_an_exponent():
    words = ("--set", "settlement.settings.quote_life_ms=300000")
    (found,) = [
        each for each in workloads(rendered("external", *words)) if component_of(each) == "settlement"
    ]
    assert plain_environment(found)["SETTLEMENT_QUOTE_LIFE_MS"] == "300000"


def test_each_validator_sees_its_own_key_alone():
    (found,) = [each for each in workloads(rendered("external")) if component_of(each) == "consensus-node"]
    keys = mounted_files(found, "validator-keys")
    own = {
        f"{FULLNAME}-consensus-node-{ordinal}": (f"{FULLNAME}-consensus-node-{ordinal}", "key")
        for ordinal in range(4)
    }
    assert keys == own
    (mount,) = [each for each in container_of(found)["volumeMounts"] if each["name"] == "validator-keys"]
    assert mount["subPathExpr"] == "$(POD_NAME)"
    assert mount["mountPath"] == plain_environment(found)["CONSENSUS_NODE_KEY"]
    (pod_name,) = [each for each in container_of(found)["env"] if each["name"] == "POD_NAME"]
    assert pod_name["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}


def test_services_ask_the_validators_of_their_release_and_a_lone_validator_asks_those_of_the_genesis():
    (api,) = [each for each in workloads(rendered("external")) if component_of(each) == "contract-api"]
    first = f"http://{FULLNAME}-consensus-node-0.{FULLNAME}-consensus-node:8080"
    assert plain_environment(api)["CONTRACT_API_PEERS"].startswith(f'["{first}",')
    (alone,) = workloads(rendered("validator"))
    assert "CONSENSUS_NODE_PEERS" not in plain_environment(alone)


def test_the_sandbox_stands_in_the_place_of_everybody_outside():
    found = {component_of(each): plain_environment(each) for each in workloads(rendered("sandbox"))}
    sandbox = found["sandbox"]["SANDBOX_PUBLIC_URL"]
    assert found["carrier-gateway"]["CARRIER_GATEWAY_DHL_BASE_URL"] == f"{sandbox}/dhl"
    assert found["carrier-gateway"]["CARRIER_GATEWAY_EASYPOST_BASE_URL"] == f"{sandbox}/easypost"
    assert found["payment-gateway"]["PAYMENT_GATEWAY_ALIPAY_GATEWAY"] == f"{sandbox}/alipay/gateway.do"
    assert found["payment-gateway"]["PAYMENT_GATEWAY_STRIPE_BASE_URL"] == f"{sandbox}/stripe"
    assert found["settlement"]["SETTLEMENT_RATES_URL"].startswith(sandbox)
    assert found["contract-api"]["CONTRACT_API_PAY_ORIGINS"] == f'["{sandbox}"]'
    payment = found["payment-gateway"]["PAYMENT_GATEWAY_PUBLIC_URL"]
    assert found["sandbox"]["SANDBOX_STRIPE_WEBHOOK_URL"] == f"{payment}/webhooks/stripe"


@pytest.mark.parametrize(
    ("values", "change", "words"),
    [
        ("external", "chain.genesis.existingConfigMap=", "give the genesis document"),
        ("external", "chain.genesis.document=x", "not both"),
        ("external", "kafka.external.bootstrapServers=null", "name some brokers"),
        ("external", "postgres.tls.caSecret=", r"postgres\.tls\.caSecret"),
        ("external", "contractApi.ingress.host=", r"contractApi\.(publicUrl|ingress\.host)"),
        ("external", "paymentGateway.alipay.appId=", r"alipay\.appId"),
        ("external", "kafka.external.sasl.username=,settlement.kafkaUsername=", r"sasl\.username"),
        ("external", "settlement.terminationGracePeriodSeconds=30", "at least 26 s after"),
        ("sandbox", "sandbox.publicUrl=http://sandbox", "reached by https"),
        ("sandbox", "contractApi.live=true", "never mix"),
        ("sandbox", "paymentGateway.enabled=false", "for the gateways of the same release"),
        ("operators", "externalSecrets.storeRef.name=", r"storeRef\.name"),
    ],
)
def test_what_cannot_work_is_refused_with_what_to_do(values, change, words):
    with pytest.raises(HelmRefused, match=words):
        rendered(values, "--set", change)
