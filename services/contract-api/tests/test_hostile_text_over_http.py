"""Text that a database cannot keep is refused with a reason, wherever it comes in, and never breaks anything."""

import base64

import pytest
from api_town import OFFER, ApiTown

NUL, SURROGATE = "\0", "\ud800"
TO = {"provider": "alipay", "account": "alice@example.cn", "name": "Alice"}
HUGE = "9" * 40


@pytest.fixture
async def town(tmp_path, database_url):
    async with ApiTown(tmp_path, database_url=database_url) as town:
        yield town


def refused(answer):
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] not in {"", "INTERNAL_ERROR"}


@pytest.mark.parametrize("bad", [NUL, SURROGATE], ids=["nul", "surrogate"])
async def test_bad_text_in_a_body_is_refused(town, bad):
    alice = await town.merchant()
    address = OFFER["ship_to"]
    bodies = [
        ("merchants", {"name": f"A{bad}"}),
        *(
            ("contracts", OFFER | {"ship_to": address | {part: f"a{bad}b"}})
            for part in address
            if part != "country"
        ),
        ("contracts", OFFER | {"description": f"tea{bad}set"}),
        ("contracts", OFFER | {"carriers": [f"dhl{bad}"]}),
        ("beneficiaries", TO | {"account": f"alice{bad}@example.cn"}),
        ("beneficiaries", TO | {"name": f"Alice{bad}"}),
        ("beneficiaries", TO | {"provider": f"alipay{bad}"}),
    ]
    for place, body in bodies:
        content = str(body).replace("'", '"').replace("\\x00", "\\u0000").encode()
        headers = {
            "authorization": f"Bearer {alice}",
            "idempotency-key": "k",
            "content-type": "application/json",
        }
        refused(await town.http.post(f"/v1/{place}", content=content, headers=headers))
    assert not town.chain.state.contracts
    assert not town.seen
    assert (await town.offered(alice, "good"))["state"] == "OFFERED"


async def test_bad_text_in_a_path_is_not_found(town):
    alice = await town.merchant()
    deal = await town.offered(alice)
    for bad in ("%00", "%ED%A0%80", "%FF", "ctr_%00", "x" * 3000, "%F0%9F%98%80"):
        await nothing_is_at(town, bad, alice, deal)


async def nothing_is_at(town, bad, alice, deal):
    for path in ("contracts/{}", "contracts/{}/events", "contracts/{}/proof", "payouts/{}", "quotes/{}"):
        answer = await town.get(f"/v1/{path.format(bad)}", alice)
        refused(answer)
        assert answer.status_code in {404, 405}
    for path in ("contracts/{}/withdrawal", "quotes/{}/acceptance"):
        refused(await town.post(f"/v1/{path.format(bad)}", {}, alice))
    refused(await town.post(f"/v1/contracts/{bad}/confirmation", {}, deal["buyer_token"]))
    refused(await town.http.get(f"/c/{bad}?t={deal['buyer_token']}"))
    refused(await town.http.get(f"/c/{deal['contract']}?t={bad}"))


async def test_a_cursor_that_is_not_ours_is_refused(town):
    alice = await town.merchant()
    inside = ("1.5.\0", "1.5.\ud800", f"1.{HUGE}.ctr_0", "1.-1.ctr_0", f"1.{2**63}.ctr_" + "0" * 26)
    spelled = [base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode() for text in inside]
    for cursor in ("x", "%00", *spelled):
        answer = await town.get(f"/v1/contracts?cursor={cursor}", alice)
        refused(answer)
        assert (cursor, answer.status_code, answer.json()["code"]) == (cursor, 400, "BAD_CURSOR")


async def test_a_height_beyond_every_number_is_refused(town):
    refused(await town.http.get(f"/v1/blocks/{HUGE}"))
    assert (await town.http.get(f"/v1/blocks/{2**63 - 1}")).status_code == 404


async def test_bad_text_in_a_form_is_refused(town):
    refused(await town.http.post("/register", data={"name": f"A{NUL}"}))
    refused(await town.http.post("/enter", data={"api_key": f"spsk_test_{NUL}"}))
    entered = await town.http.post("/register", data={"name": "Alice"})
    town.http.cookies = entered.cookies
    page = await town.http.get("/seller", headers={"accept": "text/html"})
    assert page.status_code == 200
    refused(await town.http.get("/seller/contracts/%00"))
    refused(await town.http.get("/seller/money/quotes/%00"))


async def test_names_in_all_scripts_are_kept_as_they_were_written(town):
    name = "Ångström 茶 شاي 👩‍👧 \u3000"
    alice = await town.merchant(name)
    deal = await town.offered(alice, description="茶 \U0001f375 \u0301\n\ttea")
    assert deal["description"] == "茶 \U0001f375 \u0301\n\ttea"
    assert (
        "Ångström 茶 شاي 👩‍👧"
        in (
            await town.http.get(
                f"/c/{deal['contract']}?t={deal['buyer_token']}", headers={"accept": "text/html"}
            )
        ).text
    )
