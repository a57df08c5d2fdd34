import json

import httpx
import pytest
from payment_gateway_fakes import ALIPAY_KEY, MERCHANT_KEY, AsgiAlipay, query_of

from payment_gateway.adapters.alipay import signing
from payment_gateway.adapters.alipay.client import AlipayClient, Identity
from payment_gateway.adapters.alipay.provider import AlipayProvider
from payment_gateway.adapters.alipay.webhook import NotifyVerifier
from payment_gateway.adapters.http_exchange import HttpExchange
from payment_gateway.application.ports import CheckoutWish, Instruction, ProviderTrouble
from payment_gateway.core.outcome import Absent, Accepted, Rejected, Returned, Sent, Unknown
from payment_gateway.core.units import UnitRefused
from sps.money import Money

NOW = 1_767_239_999_000
PAYMENT = "pay_01jd0000000000000000000000"
PAYOUT = Instruction("pyo_01jd0000000000000000000000", Money(8888, "CNY"), NOW, account="2088000000000009")
REFUND = Instruction(
    "rfd_01jd0000000000000000000000", Money(100, "CNY"), NOW, payment=PAYMENT, payment_reference="20260001"
)
AFTER_EXECUTING = ["silence", "error_500", "error_429", "garbage", "huge", "tampered", "unsigned_error"]


@pytest.fixture
def server():
    return AsgiAlipay()


@pytest.fixture
async def provider(server):
    exchange = HttpExchange(0.05, httpx.ASGITransport(server))
    identity = Identity("app1", MERCHANT_KEY, ALIPAY_KEY.public_key(), "appsn", "rootsn")
    client = AlipayClient("http://alipay.test/gateway.do", identity, exchange, lambda: NOW)
    verifier = NotifyVerifier(ALIPAY_KEY.public_key(), "app1", "seller1")
    made = AlipayProvider(client, verifier, exchange, "http://us/webhooks/alipay")
    yield made
    await made.stop()


async def test_the_pay_page_is_a_signed_address_in_china_time(provider):
    wish = CheckoutWish(PAYMENT, "ctr_1", Money(8888, "CNY"), "http://back", NOW + 1000)
    checkout = await provider.checkout(wish)
    params = query_of(checkout.url)
    content = json.loads(params["biz_content"])
    assert signing.verify(MERCHANT_KEY.public_key(), signing.request_string(params), params["sign"])
    assert (content["out_trade_no"], content["total_amount"]) == (PAYMENT, "88.88")
    assert (params["timestamp"], content["time_expire"]) == ("2026-01-01 11:59:59", "2026-01-01 12:00:00")
    assert params["notify_url"] == "http://us/webhooks/alipay"


@pytest.mark.parametrize(
    ("trade", "state", "amount"),
    [
        ({"trade_status": "WAIT_BUYER_PAY", "total_amount": "88.88"}, "pending", None),
        ({"trade_status": "TRADE_SUCCESS", "total_amount": "88.88"}, "succeeded", 8888),
        (
            {"trade_status": "TRADE_SUCCESS", "total_amount": "88.88", "receipt_amount": "80.00"},
            "succeeded",
            8000,
        ),
        ({"trade_status": "TRADE_FINISHED", "total_amount": "88.88"}, "succeeded", 8888),
        ({"trade_status": "TRADE_CLOSED", "total_amount": "88.88"}, "failed", None),
        (
            {"trade_status": "TRADE_CLOSED", "total_amount": "88.88", "send_pay_date": "2026-01-01 12:00:00"},
            "succeeded",
            8888,
        ),
    ],
)
async def test_a_trade_is_what_the_query_says(provider, server, trade, state, amount):
    server.trades[PAYMENT] = trade
    found = await provider.find_payment(PAYMENT, "")
    assert (found.state, found.amount) == (state, Money(amount, "CNY") if amount else None)


async def test_a_trade_in_another_currency_is_what_it_is(provider, server):
    server.trades[PAYMENT] = {
        "trade_status": "TRADE_SUCCESS",
        "total_amount": "7.50",
        "trans_currency": "USD",
    }
    assert (await provider.find_payment(PAYMENT, "")).amount == Money(750, "USD")


async def test_one_of_several_trades_is_asked_for_by_its_own_number(provider, server):
    server.trades[PAYMENT] = {"trade_status": "TRADE_SUCCESS", "total_amount": "7.50"}
    server.by_number["20260001"] = PAYMENT
    assert (await provider.find_payment(PAYMENT, "", "20260001")).reference == "20260001"
    assert (await provider.find_payment(PAYMENT, "", "20269999")).state == "absent"


async def test_a_trade_that_alipay_does_not_know_is_absent(provider):
    assert (await provider.find_payment(PAYMENT, "")).state == "absent"


@pytest.mark.parametrize(
    "trade",
    [
        {"trade_status": "NEW_WORD"},
        {"trade_status": "TRADE_SUCCESS", "total_amount": "0.00"},
        {"trade_status": "TRADE_SUCCESS", "total_amount": "lots"},
        {"trade_status": "TRADE_SUCCESS", "total_amount": "1.00", "trans_currency": "XXX"},
        {"trade_status": "TRADE_SUCCESS", "total_amount": "1.00", "trans_currency": "JPY"},
        {"trade_status": "TRADE_SUCCESS", "total_amount": "1.00", "out_trade_no": "pay_other"},
        {"trade_status": "TRADE_SUCCESS", "total_amount": "1.00", "trade_no": ""},
    ],
)
async def test_a_trade_that_makes_no_sense_is_trouble(provider, server, trade):
    server.trades[PAYMENT] = trade
    with pytest.raises(ProviderTrouble):
        await provider.find_payment(PAYMENT, "")


@pytest.mark.parametrize("how", AFTER_EXECUTING)
async def test_a_query_without_a_proved_answer_is_trouble(provider, server, how):
    server.trades[PAYMENT] = {"trade_status": "TRADE_SUCCESS", "total_amount": "1.00"}
    server.wrong.next = [how]
    with pytest.raises(ProviderTrouble):
        await provider.find_payment(PAYMENT, "")


async def test_a_transfer_is_made_in_certificate_mode_under_our_number(provider, server):
    outcome = await provider.send_payout(PAYOUT)
    call = server.calls[0]
    content = json.loads(call["biz_content"])
    assert isinstance(outcome, Sent)
    assert (call["app_cert_sn"], call["alipay_root_cert_sn"]) == ("appsn", "rootsn")
    assert (content["out_biz_no"], content["trans_amount"]) == (PAYOUT.id, "88.88")
    assert content["payee_info"] == {"identity": "2088000000000009", "identity_type": "ALIPAY_USER_ID"}


@pytest.mark.parametrize("how", AFTER_EXECUTING)
async def test_a_transfer_that_was_executed_without_an_answer_is_unknown_and_found_by_our_number(
    provider, server, how
):
    server.wrong.next = [how]
    assert isinstance(await provider.send_payout(PAYOUT), Unknown)
    found = await provider.find_payout(PAYOUT)
    assert isinstance(found, Sent)
    assert found.reference == "2026T1"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("SUCCESS", Sent),
        ("DEALING", Accepted),
        ("FAIL", Rejected),
        ("CLOSED", Rejected),
        ("REFUND", Returned),
        ("SOMETHING_NEW", Unknown),
        ("", Unknown),
    ],
)
async def test_the_states_of_a_transfer(provider, server, status, kind):
    server.transfer_status = status
    assert isinstance(await provider.send_payout(PAYOUT), kind)
    assert isinstance(await provider.find_payout(PAYOUT), kind)


async def test_a_transfer_that_alipay_does_not_know_is_absent(provider):
    assert isinstance(await provider.find_payout(PAYOUT), Absent)


async def test_a_transfer_of_another_amount_is_no_answer(provider, server):
    server.transfers[PAYOUT.id] = {"trans_amount": "1.00"}
    assert await provider.find_payout(PAYOUT) == Unknown("other_amount")


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("PAYEE_NOT_EXIST", Rejected),
        ("PAYER_BALANCE_NOT_ENOUGH", Unknown),
        ("SYSTEM_ERROR", Unknown),
        ("NEVER_HEARD_OF", Unknown),
    ],
)
async def test_only_a_known_refusal_is_a_refusal(provider, server, word, kind):
    server.business_error = word
    assert isinstance(await provider.send_payout(PAYOUT), kind)


async def test_a_refund_moves_once_and_a_repeat_is_decided_by_the_query(provider, server):
    assert isinstance(await provider.find_refund(REFUND), Absent)
    assert isinstance(await provider.send_refund(REFUND), Sent)
    assert isinstance(await provider.send_refund(REFUND), Unknown)
    assert isinstance(await provider.find_refund(REFUND), Sent)
    assert len(server.refunds) == 1


@pytest.mark.parametrize("how", AFTER_EXECUTING)
async def test_a_refund_that_was_executed_without_an_answer_is_unknown_and_found(provider, server, how):
    server.wrong.next = [how]
    assert isinstance(await provider.send_refund(REFUND), Unknown)
    assert isinstance(await provider.find_refund(REFUND), Sent)


async def test_a_refund_that_can_never_be_is_refused(provider, server):
    server.business_error = "ACQ.TRADE_HAS_FINISHED"
    assert await provider.send_refund(REFUND) == Rejected("acq.trade_has_finished", (await _raw(provider)))


async def _raw(provider):
    return (await provider.send_refund(REFUND)).raw


@pytest.mark.parametrize("account", ["", "x", "a b@c", "2087000000000001234567"])
def test_what_is_no_account_is_refused(provider, account):
    with pytest.raises(UnitRefused):
        provider.check_account(account, "Alice")


def test_an_account_known_by_login_needs_a_name(provider):
    assert provider.check_account("alice@example.com", "Alice") == "alice@example.com"
    with pytest.raises(UnitRefused) as refusal:
        provider.check_account("alice@example.com", " ")
    assert refusal.value.code == "NAME_NEEDED"
