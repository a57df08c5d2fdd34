"""Every code that an answer can carry is explained, in both languages, at the address that its `type` names."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_town import ApiTown

import sps.money
import sps.runtime.http_guard
import sps.runtime.problems
from contract_api.entrypoints.access import BAD_REQUEST, FORBIDDEN, NOT_FOUND, UNFIT, problem_of
from contract_api.entrypoints.problem_codes import API, GATEWAYS, HTTP, PROBLEMS
from contract_api.entrypoints.texts_problems import ZH_PROBLEMS
from sps.escrow import refusals, terms_check
from sps.runtime.errors import Refusal
from sps.runtime.problems import DOCUMENTATION

SERVICES = Path(__file__).parents[2]
RAISED = {
    "Problem": 1,
    "Refusal": 0,
    "NotFound": 0,
    "IdempotencyConflict": 0,
    "MoneyRefused": 0,
    "UnitRefused": 0,
    "Refused": 0,
}
"""What is raised, and which of its arguments is the code."""
NEVER_ANSWERED = {
    *("BAD_SPLIT", "CURRENCY_MISMATCH"),  # sums of ours, never of a request
    *(
        "NOT_ON_CHAIN",
        "OTHER_BENEFICIARY",
        "OTHER_AMOUNT",
        "OTHER_PAYMENT",
        "NOT_ORDERED",
    ),  # orders of settlement
}


def codes_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        at = RAISED.get(getattr(node.func, "id", ""), len(node.args))
        code = node.args[at] if len(node.args) > at else None
        if isinstance(code, ast.Constant) and isinstance(code.value, str):
            yield code.value


def raised() -> set[str]:
    """Codes in the source of everything that can answer through this API."""
    ours = (SERVICES / "contract-api/src").rglob("*.py")
    payment = SERVICES / "payment-gateway/src/payment_gateway"
    behind = [payment / "core/expected.py", payment / "core/units.py", payment / "application/pay_in.py"]
    behind += [payment / "application/beneficiaries.py", *payment.glob("adapters/*/provider.py")]
    library = [Path(each.__file__) for each in (sps.money, sps.runtime.problems, sps.runtime.http_guard)]
    return {code for path in [*ours, *behind, *library] for code in codes_in(path)} - NEVER_ANSWERED


def test_the_search_finds_codes():
    assert {"LINK_BAD", "UNKNOWN_CONTRACT", "MALFORMED_JSON", "BAD_ACCOUNT", "TOO_MANY_DECIMALS"} <= raised()


def test_every_code_is_explained():
    assert raised() - set(PROBLEMS) == set()
    assert set(sps.runtime.problems._CODES.values()) <= set(HTTP)
    assert {"TRACKING_NUMBER_USED", "BAD_TRACKING_NUMBER", "BAD_DESTINATION"} <= set(GATEWAYS)


def test_nothing_is_explained_twice_or_in_vain():
    tables = (HTTP, API, GATEWAYS, refusals.REFUSALS)
    assert sum(map(len, tables)) == len(PROBLEMS)
    assert set(API) - raised() == set()


def test_every_code_is_explained_in_chinese():
    assert set(ZH_PROBLEMS) == set(PROBLEMS)


@pytest.mark.parametrize("code", sorted(PROBLEMS))
def test_an_explanation_is_a_sentence(code):
    assert PROBLEMS[code].endswith(".")
    assert ZH_PROBLEMS[code].endswith("\u3002")


async def test_the_page_has_a_place_for_every_type(tmp_path):
    async with ApiTown(tmp_path) as town:
        page = await town.http.get("/docs/problems", headers={"accept": "text/html"})
        assert page.status_code == 200
        assert {code for code in PROBLEMS if f'id="{code.lower()}"' not in page.text} == set()
        problem = (await town.http.get("/v1/balances")).json()
        path, _, anchor = problem["type"].partition("#")
        assert path + "#" == DOCUMENTATION
        assert f'id="{anchor}"' in page.text
        chinese = await town.http.get("/docs/problems?lang=zh", headers={"accept": "text/html"})
        assert all(text in chinese.text for text in ZH_PROBLEMS.values())


def test_the_codes_of_refused_terms_are_those_that_the_check_of_terms_gives():
    given = set(codes_in(Path(terms_check.__file__)))
    assert given <= refusals.TERMS_REFUSALS
    assert set(PROBLEMS) >= refusals.TERMS_REFUSALS


@pytest.mark.parametrize(
    ("codes", "status"),
    [(NOT_FOUND, 404), (FORBIDDEN, 403), (BAD_REQUEST, 400), (UNFIT, 422), ({"WRONG_STATE"}, 409)],
)
def test_a_refusal_has_the_status_that_fits_it(codes, status):
    assert {problem_of(Refusal(code, "do this")).status_code for code in codes} == {status}
    assert codes <= set(PROBLEMS)
