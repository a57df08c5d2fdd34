import json
from pathlib import Path

import pytest
from sandbox_kit import Platform, running

from sandbox.adapters.tables import metadata
from sps.runtime.migrations import round_trip


def link(stage, our_id: str) -> dict:
    return {"provider": "alipay", "url": stage.merchant.pay_link(our_id)}


@pytest.fixture
def certificate() -> str:
    vectors = json.loads(Path(__file__).with_name("provider_vectors.json").read_text("utf-8"))
    return str(next(each["pem"] for each in vectors if each["id"] == "alipay-cert-sn-appCertPublicKey"))


async def test_the_migrations_make_the_tables(database_url):
    await round_trip(database_url, "sandbox", metadata)


async def test_a_notify_is_sent_until_the_answer_is_exactly_success(tmp_path):
    async with running(tmp_path) as stage:
        stage.platform.refuse = 3
        await stage.merchant.control("pay", link(stage, "pay_1"))
        heard = await stage.platform.until(4, "alipay")
        assert len({each.form["notify_id"] for each in heard}) == 1
        await stage.merchant.control("pay", link(stage, "pay_2"))
        heard = await stage.platform.until(5, "alipay")
        assert heard[4].form["out_trade_no"] == "pay_2"


async def test_a_message_that_was_not_taken_survives_a_restart(tmp_path, database_url):
    async with running(tmp_path, database_url=database_url) as stage:
        stage.platform.refuse = 1_000_000
        await stage.merchant.control("pay", link(stage, "pay_1"))
        heard = await stage.platform.until(2, "alipay")
        first, address = heard[0].body, stage.platform.server.port
        books = await stage.merchant.books()
    platform = Platform()
    platform.listen_on(address)
    async with running(tmp_path, platform, database_url=database_url) as stage:
        heard = await stage.platform.until(1, "alipay")
        assert heard[0].body == first
        assert await stage.merchant.books() == books


async def test_messages_may_be_repeated_and_shuffled(tmp_path):
    async with running(tmp_path) as stage:
        await stage.merchant.control("misbehave", {"repeat": 2, "shuffle": True})
        await stage.merchant.control("pay", link(stage, "pay_1"))
        heard = await stage.platform.until(3, "alipay")
        assert len({each.body for each in heard}) == 1


async def test_a_silent_provider_tells_nothing_and_still_answers(tmp_path):
    async with running(tmp_path) as stage:
        await stage.merchant.control("misbehave", {"provider": "alipay", "silent": True})
        await stage.merchant.control("pay", link(stage, "pay_1"))
        await stage.merchant.control("misbehave", {"provider": "alipay"})
        await stage.merchant.control("pay", link(stage, "pay_2"))
        heard = await stage.platform.until(1, "alipay")
        assert [each.form["out_trade_no"] for each in heard] == ["pay_2"]
        answer = await stage.merchant.alipay("alipay.trade.query", {"out_trade_no": "pay_1"})
        assert answer["trade_status"] == "TRADE_SUCCESS"


async def test_a_delayed_message_waits(tmp_path):
    async with running(tmp_path) as stage:
        await stage.merchant.control("misbehave", {"provider": "alipay", "delay_ms": 400})
        await stage.merchant.control("pay", link(stage, "pay_1"))
        assert stage.platform.heard == []
        await stage.platform.until(1, "alipay")


async def test_misbehaviour_is_bounded(tmp_path):
    async with running(tmp_path) as stage:
        for wish in (
            {"repeat": 21},
            {"delay_ms": 600_001},
            {"fail_payouts": -1},
            {"provider": "wise"},
            {"other": 1},
        ):
            await stage.merchant.control("misbehave", wish, status=422)


async def test_opening_balances_are_written_once(tmp_path, database_url):
    async with running(tmp_path, database_url=database_url) as stage:
        first = await stage.merchant.books()
    async with running(tmp_path, database_url=database_url) as stage:
        assert await stage.merchant.books() == first
        assert first["alipay"]["CNY"]["opening"] == 10_000_000


async def test_people_move_parcels_with_buttons(tmp_path):
    async with running(tmp_path) as stage:
        ask, url = stage.merchant.client, stage.merchant.url
        wish = {"carrier": "dhl", "tracking_number": "7777777770", "country": "DE", "postcode": "10115"}
        made = await ask.post(f"{url}/parcels", data=wish)
        assert made.status_code == 303
        moved = await ask.post(
            f"{url}/parcels/dhl/7777777770/move", data={"status": "delivered", "signed_by": "Bob <b>"}
        )
        page = await ask.get(url + moved.headers["location"])
        assert "signed: Bob &lt;b&gt;" in page.text
        bad = await ask.post(f"{url}/parcels/dhl/7777777770/move", data={"status": "stolen"})
        assert "UNKNOWN_WORD" in bad.headers["location"]
        assert (await ask.get(f"{url}/static/style.css")).headers["content-type"].startswith("text/css")


async def test_another_sites_page_cannot_press_the_buttons(tmp_path):
    async with running(tmp_path) as stage:
        ask, url = stage.merchant.client, stage.merchant.url
        answer = await ask.post(f"{url}/behave", headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403
        assert (await ask.post(f"{url}/behave")).status_code == 303


async def test_the_page_shows_payments_payouts_and_books(tmp_path, database_url):
    async with running(tmp_path, database_url=database_url) as stage:
        await stage.merchant.control("pay", link(stage, "pay_1"))
        await stage.merchant.stripe(
            "payouts", {"amount": "700", "currency": "eur", "metadata[order]": "pyo_9"}, key="k"
        )
        await stage.merchant.control("misbehave", {"repeat": 1})
        page = (await stage.merchant.client.get(stage.merchant.url)).text
        for words in ("pay_1", "pyo_9", "¥ 1,280.00", "€ 7.00", "€ 49,993.00", "Misbehaving on request"):
            assert words in page


async def test_the_rates_are_served(tmp_path):
    async with running(tmp_path) as stage:
        answer = await stage.merchant.client.get(f"{stage.merchant.url}/ecb/eurofxref-daily.xml")
        assert "currency='CNY'" in answer.text


async def test_a_certificate_makes_transfers_ask_for_its_number(tmp_path, certificate):
    async with running(tmp_path, app_cert=certificate, root_cert=certificate) as stage:
        payee = {"identity": "2088123456789012", "identity_type": "ALIPAY_USER_ID"}
        wish = {
            "product_code": "TRANS_ACCOUNT_NO_PWD",
            "biz_scene": "DIRECT_TRANSFER",
            "out_biz_no": "pyo_1",
            "trans_amount": "1.00",
            "payee_info": payee,
        }
        refused = await stage.merchant.alipay("alipay.fund.trans.uni.transfer", wish)
        assert refused["sub_code"] == "isv.invalid-app-cert-sn"
        serial = "866efef280dec9137a87d047ac446315"
        numbers = {"app_cert_sn": serial, "alipay_root_cert_sn": serial}
        assert (await stage.merchant.alipay("alipay.fund.trans.uni.transfer", wish, **numbers))[
            "code"
        ] == "10000"
        wrong = await stage.merchant.alipay("alipay.trade.query", {"out_trade_no": "x"}, app_cert_sn="0")
        assert wrong["sub_code"] == "isv.invalid-app-cert-sn"
