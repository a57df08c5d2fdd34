import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from sandbox_kit import Stage, rsa_key, running


@pytest.fixture
async def stage(tmp_path, database_url):
    async with running(tmp_path, database_url=database_url) as running_stage:
        yield running_stage


def proved(form: dict[str, str], left_out: set[str]) -> dict[str, str]:
    text = "&".join(f"{name}={form[name]}" for name in sorted(form) if form[name] and name not in left_out)
    signature = base64.b64decode(form["sign"])
    rsa_key("alipay").public_key().verify(signature, text.encode(), PKCS1v15(), SHA256())
    return form


async def paid(stage: Stage, our_id: str = "pay_1") -> dict:
    return await stage.merchant.control("pay", {"provider": "alipay", "url": stage.merchant.pay_link(our_id)})


TRANSFER = {"product_code": "TRANS_ACCOUNT_NO_PWD", "biz_scene": "DIRECT_TRANSFER"}


def transfer(number: str, yuan: str = "12.34") -> dict:
    payee = {"identity": "2088123456789012", "identity_type": "ALIPAY_USER_ID"}
    return TRANSFER | {"out_biz_no": number, "trans_amount": yuan, "order_title": "x", "payee_info": payee}


async def test_the_buyer_pays_on_the_page_and_the_notify_is_signed(stage):
    ask = stage.merchant.client
    link = stage.merchant.pay_link("pay_1")
    page = await ask.get(link)
    assert "Pay ¥ 1,280.00" in page.text
    assert "确认付款" in page.text
    assert (await stage.merchant.alipay("alipay.trade.query", {"out_trade_no": "pay_1"}))[
        "trade_status"
    ] == "WAIT_BUYER_PAY"
    back = await ask.post(f"{stage.merchant.url}/alipay/cashier/pay_1", data={"decision": "pay"})
    assert back.status_code == 303
    assert back.headers["location"].startswith("http://shop.example/back?order=1&")
    (heard,) = await stage.platform.until(1, "alipay")
    form = proved(heard.form, {"sign", "sign_type"})
    assert (form["trade_status"], form["total_amount"], form["out_trade_no"]) == (
        "TRADE_SUCCESS",
        "1280.00",
        "pay_1",
    )
    assert (form["app_id"], form["seller_id"]) == ("2021000000000001", "2088000000000001")
    answer = await stage.merchant.alipay("alipay.trade.query", {"out_trade_no": "pay_1"})
    assert (answer["code"], answer["trade_status"], answer["receipt_amount"]) == (
        "10000",
        "TRADE_SUCCESS",
        "1280.00",
    )


async def test_the_buyer_may_leave_without_paying(stage):
    await stage.merchant.client.get(stage.merchant.pay_link("pay_1"))
    back = await stage.merchant.client.post(
        f"{stage.merchant.url}/alipay/cashier/pay_1", data={"decision": "leave"}
    )
    assert back.headers["location"] == "http://shop.example/back?order=1"
    assert (await stage.merchant.alipay("alipay.trade.query", {"out_trade_no": "pay_1"}))[
        "trade_status"
    ] == "WAIT_BUYER_PAY"


async def test_a_link_that_was_changed_leads_to_no_cashier(stage):
    link = stage.merchant.pay_link("pay_1").replace("1280.00", "0.01")
    answer = await stage.merchant.client.get(link)
    assert answer.status_code == 400
    assert "invalid-signature" in answer.text
    await stage.merchant.control("pay", {"provider": "alipay", "url": link}, status=409)


async def test_a_request_that_is_not_signed_by_the_merchant_is_refused(stage):
    params = stage.merchant.signed("alipay.trade.query", {"out_trade_no": "pay_1"}) | {"version": "2.0"}
    answer = await stage.merchant.client.post(f"{stage.merchant.url}/alipay/gateway.do", data=params)
    assert answer.json()["alipay_trade_query_response"]["sub_code"] == "isv.invalid-signature"


async def test_a_trade_that_nobody_opened_does_not_exist(stage):
    answer = await stage.merchant.alipay("alipay.trade.query", {"out_trade_no": "pay_1"})
    assert (answer["code"], answer["sub_code"]) == ("40004", "ACQ.TRADE_NOT_EXIST")


async def test_paying_twice_takes_the_money_once(stage):
    assert (await paid(stage))["reference"] == (await paid(stage))["reference"]
    assert (await stage.merchant.books())["alipay"]["CNY"]["paid_in"] == 128_000


async def test_a_second_explicit_payment_is_another_trade(stage):
    first = await paid(stage)
    wish = {"provider": "alipay", "url": stage.merchant.pay_link("pay_1"), "again": True}
    second = await stage.merchant.control("pay", wish)
    assert first["reference"] != second["reference"]
    books = await stage.merchant.books()
    assert books["alipay"]["CNY"]["paid_in"] == 256_000
    assert [each["our_id"] for each in books["payments"]] == ["pay_1", "pay_1"]


async def test_the_buyer_may_pay_too_little_or_in_another_currency(stage):
    wish = {
        "provider": "alipay",
        "url": stage.merchant.pay_link("pay_1"),
        "amount": {"minor": 100, "currency": "USD"},
    }
    await stage.merchant.control("pay", wish)
    answer = await stage.merchant.alipay("alipay.trade.query", {"out_trade_no": "pay_1"})
    assert (answer["receipt_amount"], answer["trans_currency"]) == ("1.00", "USD")


async def test_a_closed_trade_takes_no_money(stage):
    link = stage.merchant.pay_link("pay_1")
    await stage.merchant.client.get(link)
    assert (await stage.merchant.alipay("alipay.trade.close", {"out_trade_no": "pay_1"}))["code"] == "10000"
    await stage.merchant.control("pay", {"provider": "alipay", "url": link}, status=409)
    assert "takes no money" in (await stage.merchant.client.get(link)).text


async def test_a_trade_is_closed_when_its_time_is_over(stage):
    link = stage.merchant.pay_link("pay_1", time_expire="2020-01-01 00:00:00")
    await stage.merchant.client.get(link)
    answer = await stage.merchant.alipay("alipay.trade.query", {"out_trade_no": "pay_1"})
    assert answer["trade_status"] == "TRADE_CLOSED"
    assert "send_pay_date" not in answer


async def test_a_refund_moves_money_once_for_one_number(stage):
    await paid(stage)
    wish = {"out_trade_no": "pay_1", "refund_amount": "80.00", "out_request_no": "rfd_1"}
    first = await stage.merchant.alipay("alipay.trade.refund", wish)
    again = await stage.merchant.alipay("alipay.trade.refund", wish)
    other = await stage.merchant.alipay("alipay.trade.refund", wish | {"refund_amount": "81.00"})
    assert (first["fund_change"], first["refund_fee"]) == ("Y", "80.00")
    assert (again["fund_change"], again["refund_fee"]) == ("N", "80.00")
    assert other["sub_code"] == "ACQ.DISCORDANT_REPEAT_REQUEST"
    found = await stage.merchant.alipay(
        "alipay.trade.fastpay.refund.query", {"out_trade_no": "pay_1", "out_request_no": "rfd_1"}
    )
    assert (found["refund_status"], found["refund_amount"]) == ("REFUND_SUCCESS", "80.00")
    books = await stage.merchant.books()
    assert books["alipay"]["CNY"]["refunded"] == 8_000
    assert books["refunds"][0]["repeats"] == 2
    heard = await stage.platform.until(2, "alipay")
    assert proved(heard[-1].form, {"sign", "sign_type"})["out_biz_no"] == "rfd_1"


async def test_a_refund_that_never_was_has_no_status(stage):
    await paid(stage)
    found = await stage.merchant.alipay(
        "alipay.trade.fastpay.refund.query", {"out_trade_no": "pay_1", "out_request_no": "rfd_1"}
    )
    assert found["code"] == "10000"
    assert "refund_status" not in found


async def test_no_more_is_refunded_than_was_paid(stage):
    await paid(stage)
    wish = {"out_trade_no": "pay_1", "refund_amount": "1280.01", "out_request_no": "rfd_1"}
    assert (await stage.merchant.alipay("alipay.trade.refund", wish))["code"] == "40004"
    whole = wish | {"refund_amount": "1280.00"}
    assert (await stage.merchant.alipay("alipay.trade.refund", whole))["fund_change"] == "Y"
    assert (await stage.merchant.alipay("alipay.trade.query", {"out_trade_no": "pay_1"}))[
        "trade_status"
    ] == "TRADE_CLOSED"


async def test_a_transfer_is_paid_once_for_one_number(stage):
    first = await stage.merchant.alipay("alipay.fund.trans.uni.transfer", transfer("pyo_1"))
    again = await stage.merchant.alipay("alipay.fund.trans.uni.transfer", transfer("pyo_1"))
    other = await stage.merchant.alipay("alipay.fund.trans.uni.transfer", transfer("pyo_1", "12.35"))
    assert (first["status"], first["order_id"]) == ("SUCCESS", again["order_id"])
    assert other["code"] == "40004"
    found = await stage.merchant.alipay("alipay.fund.trans.common.query", TRANSFER | {"out_biz_no": "pyo_1"})
    assert (found["status"], found["trans_amount"]) == ("SUCCESS", "12.34")
    books = await stage.merchant.books()
    assert books["alipay"]["CNY"]["paid_out"] == 1_234
    assert (books["payouts"][0]["our_id"], books["payouts"][0]["repeats"]) == ("pyo_1", 2)


async def test_a_transfer_that_never_was_does_not_exist(stage):
    found = await stage.merchant.alipay("alipay.fund.trans.common.query", TRANSFER | {"out_biz_no": "pyo_1"})
    assert (found["code"], found["sub_code"]) == ("40004", "ORDER_NOT_EXIST")


async def test_a_transfer_may_fail_after_it_was_taken_and_the_message_says_so(stage):
    await stage.merchant.control("misbehave", {"provider": "alipay", "fail_payouts": 1})
    answer = await stage.merchant.alipay("alipay.fund.trans.uni.transfer", transfer("pyo_1"))
    assert answer["status"] == "DEALING"
    (heard,) = await stage.platform.until(1, "alipay")
    form = proved(heard.form, {"sign"})
    assert form["msg_method"] == "alipay.fund.trans.order.changed"
    assert '"status":"FAIL"' in form["biz_content"]
    books = await stage.merchant.books()
    assert books["alipay"]["CNY"]["balance"] == 10_000_000
    assert books["payouts"][0]["state"] == "failed"


async def test_a_transfer_may_come_back_after_it_was_paid(stage):
    await stage.merchant.control("misbehave", {"provider": "alipay", "return_payouts": 1})
    answer = await stage.merchant.alipay("alipay.fund.trans.uni.transfer", transfer("pyo_1"))
    assert answer["status"] == "SUCCESS"
    heard = await stage.platform.until(2, "alipay")
    assert '"status":"REFUND"' in heard[-1].form["biz_content"]
    lines = (await stage.merchant.books())["alipay"]["CNY"]
    assert (lines["paid_out"], lines["returned"], lines["balance"]) == (1_234, 1_234, 10_000_000)


async def test_nothing_is_paid_from_an_empty_account(stage):
    answer = await stage.merchant.alipay("alipay.fund.trans.uni.transfer", transfer("pyo_1", "9999999.00"))
    assert answer["sub_code"] == "PAYER_BALANCE_NOT_ENOUGH"
    assert (await stage.merchant.books())["alipay"]["CNY"]["paid_out"] == 0


async def test_an_answer_can_be_lost_after_the_money_moved(stage):
    await stage.merchant.control("misbehave", {"provider": "alipay", "drop_answer_after_executing": 1})
    params = stage.merchant.signed("alipay.fund.trans.uni.transfer", transfer("pyo_1"))
    lost = await stage.merchant.client.post(f"{stage.merchant.url}/alipay/gateway.do", data=params)
    assert lost.status_code == 504
    again = await stage.merchant.alipay("alipay.fund.trans.uni.transfer", transfer("pyo_1"))
    assert again["status"] == "SUCCESS"
    assert (await stage.merchant.books())["alipay"]["CNY"]["paid_out"] == 1_234


async def test_a_transfer_that_makes_no_sense_moves_nothing(stage):
    bad = [{}, {"out_biz_no": "pyo_1"}, transfer("pyo_1", "0.09"), transfer("pyo_1", "-1"), transfer("")]
    for content in bad:
        assert (await stage.merchant.alipay("alipay.fund.trans.uni.transfer", content))["code"] != "10000"
    assert (await stage.merchant.books())["payouts"] == []
