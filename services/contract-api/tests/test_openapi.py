"""The committed description of the REST API is the present one, complete, and true."""

import json
from pathlib import Path

import pytest
from api_town import ApiTown
from jsonschema import Draft202012Validator

from contract_api.entrypoints.openapi_export import FILE, openapi_text
from contract_api.entrypoints.rest import TAGS

ROOT = Path(__file__).parents[3]
DOCUMENT = json.loads(openapi_text())
OPERATIONS = {
    told["operationId"]: (method, path, told)
    for path, methods in DOCUMENT["paths"].items()
    for method, told in methods.items()
}
OPEN = {"register_merchant", "get_block", "get_genesis"}
"""Operations that need no key."""
READS = {name for name, (method, _, _) in OPERATIONS.items() if method == "get"}


def schema(name):
    return {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}


def fits(name, value):
    Draft202012Validator(schema(name)).validate(value)


def test_the_committed_file_is_the_present_description():
    assert (ROOT / FILE).read_text(encoding="utf-8") == openapi_text(), (
        "run: python -m contract_api.entrypoints.openapi_export"
    )


def test_it_is_openapi_3_1_with_a_licence_and_all_tags_explained():
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert DOCUMENT["info"]["description"]
    assert {tag for _, _, told in OPERATIONS.values() for tag in told["tags"]} == {
        tag["name"] for tag in TAGS
    }


def test_every_operation_has_a_name_of_its_own():
    assert len(OPERATIONS) == sum(len(methods) for methods in DOCUMENT["paths"].values())


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_says_what_it_does_and_how_it_can_fail(name):
    method, path, told = OPERATIONS[name]
    assert told["summary"]
    assert len(told["description"]) > 10
    assert told["description"][0].isupper()
    statuses = {int(status) for status in told["responses"]}
    assert {500, 503} <= statuses
    if name not in OPEN:
        assert told["security"] == [{"bearer": []}]
        assert 401 in statuses
    else:
        assert "security" not in told
    if "{" in path:
        assert 404 in statuses
    if method == "post" and name not in OPEN:
        assert {400, 403, 409, 422} <= statuses


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_error_is_a_problem_document(name):
    for status, answer in OPERATIONS[name][2]["responses"].items():
        if int(status) >= 400:
            assert answer["content"] == {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            }


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - READS - OPEN))
def test_every_change_needs_an_idempotency_key(name):
    key = [each for each in OPERATIONS[name][2]["parameters"] if each["name"] == "Idempotency-Key"]
    assert [each["required"] for each in key] == [True]


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"get_genesis", "get_contract_proof"}))
def test_every_good_answer_has_a_schema(name):
    told = OPERATIONS[name][2]
    good = [answer for status, answer in told["responses"].items() if status in {"200", "201"}]
    assert len(good) == 1
    reference = good[0]["content"]["application/json"]["schema"]
    assert set(reference) == {"$ref"}
    assert reference["$ref"].rpartition("/")[2] in DOCUMENT["components"]["schemas"]


def test_every_schema_is_used():
    text = openapi_text()
    assert {name for name in DOCUMENT["components"]["schemas"] if f'schemas/{name}"' not in text} == set()


@pytest.mark.parametrize("name", ["Contract", "Event", "Quote", "Payout", "Balance", "Problem"])
def test_the_main_resources_have_examples_that_fit(name):
    examples = DOCUMENT["components"]["schemas"][name]["examples"]
    assert examples
    for example in examples:
        fits(name, example)


async def test_what_is_really_answered_fits_the_description(tmp_path):
    async with ApiTown(tmp_path) as town:
        alice = await town.merchant()
        fits("Contract", await town.offered(alice, "one"))
        deal = await town.released(alice, "two")
        contract = f"/v1/contracts/{deal['contract']}"
        fits("Contract", (await town.get(contract, alice)).json())
        fits("Contract", (await town.get(contract, deal["buyer_token"])).json())
        fits("ContractPage", (await town.get("/v1/contracts", alice)).json())
        fits("EventList", (await town.get(f"{contract}/events", alice)).json())
        fits("BalanceList", (await town.get("/v1/balances", alice)).json())
        block = await town.http.get(f"/v1/blocks/{town.chain.state.height}")
        fits("Block", block.json())
        to = {"provider": "alipay", "account": "alice@example.cn", "name": "Alice"}
        beneficiary = (await town.post("/v1/beneficiaries", to, alice, "to")).json()
        fits("Beneficiary", beneficiary)
        fits("BeneficiaryList", (await town.get("/v1/beneficiaries", alice)).json())
        order = {
            "amount": {"minor": "100", "currency": "CNY"},
            "provider": "alipay",
            "beneficiary": beneficiary["beneficiary"],
        }
        fits("Payout", (await town.post("/v1/payouts", order, alice, "out")).json())
        fits("PayoutList", (await town.get("/v1/payouts", alice)).json())
        fits("Problem", (await town.get("/v1/contracts/nothing", alice)).json())
        served = (await town.http.get("/openapi.json")).json()
        assert served == DOCUMENT


async def test_a_quote_fits_the_description_before_and_after_its_lock(tmp_path):
    async with ApiTown(tmp_path, wait_s=0.3) as town:
        alice = await town.merchant()
        await town.released(alice)
        await town.publish_rates()
        body = {"amount": {"minor": "126720", "currency": "CNY"}, "to": "EUR"}
        quote = (await town.post("/v1/quotes", body, alice, "q")).json()
        fits("Quote", quote)
        assert quote["state"] == "requested"
        await town.lock(quote["quote"])
        fits("Quote", (await town.get(f"/v1/quotes/{quote['quote']}", alice)).json())
