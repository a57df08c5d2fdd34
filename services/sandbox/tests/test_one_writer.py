"""Many calls at the same moment: whatever is asked, the books are never wrong. And texts that no table takes."""

import asyncio

import pytest
from sandbox_kit import running

CROWD = 16
PAYEE = {"identity": "2088123456789012", "identity_type": "ALIPAY_USER_ID"}
TRANSFER = "alipay.fund.trans.uni.transfer"
SESSION = {
    "mode": "payment",
    "line_items[0][quantity]": "1",
    "line_items[0][price_data][currency]": "eur",
    "line_items[0][price_data][unit_amount]": "5000",
    "success_url": "http://shop.example/back",
}


@pytest.fixture
async def stage(tmp_path, database_url):
    async with running(tmp_path, database_url=database_url) as running_stage:
        yield running_stage


def transfer(number, yuan="1.00"):
    return {
        "product_code": "TRANS_ACCOUNT_NO_PWD",
        "biz_scene": "DIRECT_TRANSFER",
        "out_biz_no": number,
        "trans_amount": yuan,
        "payee_info": PAYEE,
    }


async def at_once(ask):
    return await asyncio.gather(*(ask(number) for number in range(CROWD)))


async def balance(stage, provider, currency):
    """What is left; the books must sum."""
    lines = (await stage.merchant.books())[provider][currency]
    incoming = lines["opening"] + lines["paid_in"] + lines["returned"]
    assert lines["balance"] == incoming - lines["refunded"] - lines["paid_out"] - lines["fees"]
    return lines


async def test_one_transfer_asked_for_many_times_at_once_is_made_once(stage):
    answers = await at_once(lambda _: stage.merchant.alipay(TRANSFER, transfer("pyo_1")))
    assert len({answer["order_id"] for answer in answers}) == 1
    (made,) = (await stage.merchant.books())["payouts"]
    assert made["attempts"] == CROWD
    assert (await balance(stage, "alipay", "CNY"))["paid_out"] == 100


async def test_many_transfers_at_once_take_no_more_than_there_is(stage):
    answers = await at_once(lambda n: stage.merchant.alipay(TRANSFER, transfer(f"pyo_{n}", "9500.00")))
    good = [answer for answer in answers if answer["code"] == "10000"]
    lines = await balance(stage, "alipay", "CNY")
    assert len(good) == 10
    assert (lines["paid_out"], lines["balance"]) == (9_500_000, 500_000)


async def test_many_wishes_at_once_keep_the_books_summed(stage):
    def wish(number):
        order = f"pyo_{number % 4}"
        form = {
            "currency": "eur",
            "destination": "acct_a",
            "amount": "100",
            "metadata[order]": order,
        }
        return stage.merchant.stripe("transfers", form, key=order)

    answers = await at_once(wish)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 4
    assert [each["repeats"] for each in (await stage.merchant.books())["payouts"]] == [3] * 4
    assert (await balance(stage, "stripe", "EUR"))["paid_out"] == 400


async def test_a_buyer_who_presses_many_times_pays_once(stage):
    wish = {"provider": "alipay", "url": stage.merchant.pay_link("pay_1")}
    answers = await at_once(lambda _: stage.merchant.control("pay", wish))
    assert len({answer["reference"] for answer in answers}) == 1
    assert (await balance(stage, "alipay", "CNY"))["paid_in"] == 128_000


async def test_a_number_of_lost_answers_is_used_up_exactly(stage):
    await stage.merchant.control("misbehave", {"provider": "stripe", "drop_answer_after_executing": 5})
    form = {"currency": "eur", "destination": "acct_a", "amount": "100"}
    answers = await at_once(lambda n: stage.merchant.stripe("transfers", form, key=f"k{n}"))
    assert sorted(answer.status_code for answer in answers) == [200] * (CROWD - 5) + [504] * 5
    assert (await balance(stage, "stripe", "EUR"))["paid_out"] == 100 * CROWD


async def test_a_parcel_that_many_register_is_one(stage):
    wish = {
        "carrier": "dhl",
        "tracking_number": "7777777770",
        "destination": {"country": "DE", "postcode": "10115"},
    }
    await at_once(lambda _: stage.merchant.control("parcels", wish))
    moved = await at_once(
        lambda _: stage.merchant.control("parcels/dhl/7777777770/move", {"status": "in_transit"})
    )
    assert {each["scans"] for each in moved} == {1}


async def test_two_sandboxes_on_one_database_keep_one_set_of_books(tmp_path, postgres_database):
    async with (
        running(tmp_path, database_url=postgres_database) as one,
        running(tmp_path, database_url=postgres_database) as two,
    ):
        places = (one, two)
        await at_once(lambda n: places[n % 2].merchant.alipay(TRANSFER, transfer("pyo_same")))
        await at_once(lambda n: places[n % 2].merchant.alipay(TRANSFER, transfer(f"pyo_{n}")))
        assert (await balance(one, "alipay", "CNY"))["paid_out"] == 100 * (CROWD + 1)
        assert await two.merchant.books() == await one.merchant.books()


@pytest.mark.parametrize("bad", ["\0", "x" * 3_000], ids=["nul", "endless"])
async def test_text_that_no_table_takes_is_refused_and_moves_nothing(stage, bad):
    ask, merchant, url = stage.merchant.client, stage.merchant, stage.merchant.url
    forms = [
        ("checkout/sessions", SESSION | {"client_reference_id": bad}),
        ("checkout/sessions", SESSION | {"expires_at": "9" * 50}),
        ("transfers", {"currency": "eur", "amount": "100", "destination": bad}),
        ("transfers", {"currency": "eur", "amount": "100", "destination": "acct_a", "transfer_group": bad}),
        ("refunds", {"payment_intent": bad}),
    ]
    answers = [await merchant.stripe(path, form, key=f"k{n}") for n, (path, form) in enumerate(forms)]
    answers += [
        await ask.get(f"{url}/easypost/v2/trackers/%00", auth=("easypost-sandbox", "")),
        await ask.get(f"{url}/dhl/track/proof-of-delivery/%00"),
        await ask.get(f"{url}/stripe/pay/%00"),
        await ask.post(f"{url}/alipay/cashier/%00", data={"decision": "pay"}),
        await ask.get(merchant.pay_link(bad)),
        await ask.post(
            f"{url}/control/parcels",
            json={
                "carrier": "dhl",
                "tracking_number": "7777777770",
                "destination": {"country": "DE", "postcode": f"1{bad}"},
            },
        ),
    ]
    assert [answer for answer in answers if not 400 <= answer.status_code < 500] == []
    refused = await merchant.alipay(TRANSFER, transfer("pyo_1") | {"payee_info": PAYEE | {"identity": bad}})
    assert refused["code"] == "40002"
    books = await merchant.books()
    assert books["payments"] == books["payouts"] == []


async def test_metadata_may_say_anything(stage):
    made = await stage.merchant.stripe(
        "checkout/sessions", SESSION | {"metadata[note]": "a\0b \U0001f375"}, key="k"
    )
    again = await stage.merchant.stripe_get(f"checkout/sessions/{made.json()['id']}")
    assert again["metadata"] == {"note": "a\0b \U0001f375"}


async def test_a_platform_that_answers_with_rubbish_is_told_again(stage):
    stage.platform.word = "no\0thing"
    await stage.merchant.control("pay", {"provider": "alipay", "url": stage.merchant.pay_link("pay_1")})
    await stage.platform.until(2, "alipay")
    stage.platform.word = "success"
    told = len(stage.platform.at("alipay"))
    await stage.platform.until(told + 1, "alipay")
    assert stage.sandbox.ready()
