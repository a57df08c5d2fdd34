"""What the pages say in states that the story does not come by, and what they never give away."""

import re

import httpx
import pytest
from api_town import ApiTown

PAGE = {"accept": "text/html"}


@pytest.fixture
async def town(tmp_path):
    async with ApiTown(tmp_path) as town:
        yield town


async def as_seller(town, key):
    """A client with Alice's session."""
    client = httpx.AsyncClient(base_url=town.api.server.url, headers=PAGE, trust_env=False, timeout=20)
    answer = await client.post("/enter", data={"api_key": key})
    assert (answer.status_code, answer.headers["location"]) == (303, "/seller")
    return client


def hidden(html, action):
    """The hidden fields of the form with this action."""
    form = next(part for part in html.split("<form")[1:] if f'action="{action}"' in part).split("</form>")[0]
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form))


async def buyer_page(town, deal, query=""):
    return await town.http.get(f"/c/{deal['contract']}?t={deal['buyer_token']}{query}", headers=PAGE)


async def test_the_seller_sees_that_the_buyer_asks_to_cancel_and_can_refuse(town):
    alice = await town.merchant()
    deal = await town.funded(alice)
    path = f"/c/{deal['contract']}/cancellation_request"
    fields = hidden((await buyer_page(town, deal)).text, path)
    assert (await town.http.post(path, data=fields)).status_code == 303
    assert "You asked to cancel" in (await buyer_page(town, deal)).text
    client = await as_seller(town, alice)
    page = await client.get(f"/seller/contracts/{deal['contract']}")
    assert "The buyer asks to cancel" in page.text
    path = f"/seller/contracts/{deal['contract']}/cancellation_refusal"
    assert (await client.post(path, data=hidden(page.text, path))).status_code == 303
    assert "The buyer asks to cancel" not in (await client.get(f"/seller/contracts/{deal['contract']}")).text
    await client.aclose()


@pytest.mark.parametrize(
    ("command", "by", "buyer", "seller"),
    [
        ("decline", "buyer", "You declined. Nothing was paid.", "The buyer does not want it."),
        ("withdrawal", "seller", "The seller took the offer back.", "Cancelled before it was paid."),
        (
            "cancellation",
            "seller",
            "Your money goes back to where it came from.",
            "The buyer got the money back.",
        ),
    ],
)
async def test_every_end_is_said_to_both(town, command, by, buyer, seller):
    alice = await town.merchant()
    deal = await (town.funded(alice) if command == "cancellation" else town.offered(alice))
    secret = alice if by == "seller" else deal["buyer_token"]
    await town.post(f"/v1/contracts/{deal['contract']}/{command}", {}, secret, "end")
    assert buyer in (await buyer_page(town, deal)).text
    client = await as_seller(town, alice)
    assert seller in (await client.get(f"/seller/contracts/{deal['contract']}")).text
    await client.aclose()


async def test_what_a_provider_adds_to_the_way_back_is_dropped(town):
    deal = await town.agreed(await town.merchant())
    back = await buyer_page(town, deal, "&back=1&sign=a%2Bb&total_amount=1.00")
    assert back.status_code == 303
    assert back.headers["location"] == f"/c/{deal['contract']}?t={deal['buyer_token']}&back=1"


async def test_a_form_that_is_sent_twice_does_one_thing(town):
    alice = await town.merchant()
    deal = await town.offered(alice)
    path = f"/c/{deal['contract']}/acceptance"
    fields = hidden((await buyer_page(town, deal)).text, path)
    answers = [await town.http.post(path, data=fields) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert len([r for r in town.chain.receipts if r.kind == "contract.accept.v1"]) == 1


async def test_a_slow_block_is_said_on_the_page_that_follows(tmp_path):
    async with ApiTown(tmp_path, wait_s=0.05) as town:
        deal = None
        alice = await town.merchant()
        while not deal or "terms_hash" not in deal:
            deal = (await town.post("/v1/contracts", SLOW_OFFER, alice, "k")).json()
        path = f"/c/{deal['contract']}/acceptance"
        fields = hidden((await buyer_page(town, deal)).text, path)
        town.paused = True
        answer = await town.http.post(path, data=fields)
        assert answer.headers["location"].endswith("&wait=1")
        page = await town.http.get(answer.headers["location"], headers=PAGE)
        assert "This takes longer than usual." in page.text
        town.paused = False


async def test_a_form_of_somebody_else_is_refused(town):
    alice = await town.merchant()
    deal = await town.offered(alice)
    client = await as_seller(town, alice)
    for fields in ({}, {"csrf": "00" * 32}):
        answer = await client.post(f"/seller/contracts/{deal['contract']}/withdrawal", data=fields)
        assert answer.status_code == 403
    assert (await town.get(f"/v1/contracts/{deal['contract']}", alice)).json()["state"] == "OFFERED"
    await client.aclose()


async def test_another_merchants_contract_does_not_exist_for_me(town):
    deal = await town.offered(await town.merchant())
    client = await as_seller(town, await town.merchant("Mallory"))
    page = await client.get("/seller/contracts/new")
    csrf = hidden(page.text, "/seller/contracts")["csrf"]
    for command in ("withdrawal", "cancellation"):
        path = f"/seller/contracts/{deal['contract']}/{command}"
        assert (await client.post(path, data={"csrf": csrf, "key": "k"})).status_code == 404
    assert (await client.get(f"/seller/contracts/{deal['contract']}")).status_code == 404
    await client.aclose()


async def test_who_left_is_out_even_with_the_old_cookie(town):
    client = await as_seller(town, await town.merchant())
    cookie = client.cookies["sps_session"]
    fields = hidden((await client.get("/seller")).text, "/leave")
    assert (await client.post("/leave", data=fields)).status_code == 303
    client.cookies.set("sps_session", cookie)
    assert (await client.get("/seller")).status_code == 401
    await client.aclose()


async def test_the_way_back_from_an_error_never_leads_to_a_foreign_place(town):
    for referer in ("https://evil.example/x", f"{town.api.server.url}//evil.example", "nonsense"):
        page = await town.http.get("/c/ctr_x?t=y", headers=PAGE | {"referer": referer})
        assert page.status_code == 404
        assert "evil" not in page.text
    ours = f"{town.api.server.url}/docs/problems?a=1"
    page = await town.http.get("/c/ctr_x?t=y", headers=PAGE | {"referer": ours})
    assert 'href="/docs/problems?a=1"' in page.text


async def test_what_people_write_is_never_markup(town):
    evil = '"><script>alert(1)</script>'
    alice = await town.merchant(evil)
    deal = await town.offered(alice, description=evil)
    page = await buyer_page(town, deal)
    assert "<script>alert" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    language = await buyer_page(town, deal, "&lang=zh&back=%22%3E%3Cscript%3E")
    assert "<script>" not in language.text.replace('<script src="/static/live.js" type="module">', "")


SLOW_OFFER = {
    "amount": {"minor": "128000", "currency": "CNY"},
    "description": "Ceramic tea set",
    "ship_to": {"name": "Bob", "street": "S 1", "city": "Berlin", "postcode": "10115", "country": "DE"},
    "carriers": ["dhl"],
    "release": "on_delivery",
}
