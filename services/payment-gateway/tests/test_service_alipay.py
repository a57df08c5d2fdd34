"""Alipay's real adapter in the real service: signed notifies in, certificate-mode transfers out."""

from urllib.parse import urlencode

import httpx
import pytest
from payment_gateway_fakes import ALIPAY_KEY, MERCHANT_KEY, AsgiAlipay, query_of
from payment_gateway_town import PaymentTown

from payment_gateway.adapters.alipay import signing
from payment_gateway.adapters.alipay.client import AlipayClient, Identity
from payment_gateway.adapters.alipay.provider import AlipayProvider
from payment_gateway.adapters.alipay.webhook import NotifyVerifier
from payment_gateway.adapters.http_exchange import HttpExchange


@pytest.fixture
def server():
    return AsgiAlipay()


@pytest.fixture
async def town(tmp_path, server):
    exchange = HttpExchange(0.5, httpx.ASGITransport(server))
    identity = Identity("app1", MERCHANT_KEY, ALIPAY_KEY.public_key(), "appsn", "rootsn")
    client = AlipayClient("http://alipay.test/gateway.do", identity, exchange, lambda: 0)
    verifier = NotifyVerifier(ALIPAY_KEY.public_key(), "app1", "seller1")
    provider = AlipayProvider(client, verifier, exchange, "http://us/webhooks/alipay")
    async with PaymentTown(tmp_path, {"alipay": provider}) as built:
        yield built


def notify(payment, **changes):
    params = {
        "notify_id": f"n-{payment}",
        "app_id": "app1",
        "seller_id": "seller1",
        "out_trade_no": payment,
        "trade_no": "20260001",
        "trade_status": "TRADE_SUCCESS",
        "total_amount": "1000.00",
        "sign_type": "RSA2",
    } | changes
    text = signing.notify_string(params, with_sign_type=False)
    return params | {"sign": signing.sign(ALIPAY_KEY, text)}


async def post(town, params):
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return await town.http.post("/webhooks/alipay", content=urlencode(params).encode(), headers=headers)


async def test_a_signed_notify_funds_the_contract_with_what_the_query_says(town, server):
    deal = await town.agreed()
    opened = (await town.open_payment(deal)).json()
    await town.next_block()
    server.trades[opened["payment"]] = {"trade_status": "TRADE_SUCCESS", "total_amount": "600.00"}
    server.by_number["20260001"] = opened["payment"]
    assert "page.pay" in query_of(opened["url"])["method"]
    answer = await post(town, notify(opened["payment"]))
    assert (answer.status_code, answer.content) == (200, b"success")
    await town.next_block()
    contract = town.chain.state.contracts[deal.id]
    assert (contract.funding, contract.received) == ("part_funded", 60_000)
    assert [payin.reference for payin in contract.payins] == ["20260001"]


async def test_a_notify_that_states_another_amount_is_an_alarm_and_no_evidence(town, server):
    deal = await town.agreed()
    payment = (await town.open_payment(deal)).json()["payment"]
    await town.next_block()
    server.trades[payment] = {"trade_status": "TRADE_SUCCESS", "total_amount": "1000.00"}
    assert (await post(town, notify(payment, total_amount="9999.00"))).status_code == 200
    await town.next_block()
    assert town.chain.state.contracts[deal.id].received == 100_000
    assert town.count("sps_callback_amount_differs_total", provider="alipay") == 1


@pytest.mark.parametrize("change", [{"total_amount": "2"}, {"app_id": "x"}, {"sign": ""}])
async def test_a_forged_notify_is_answered_with_failure(town, change):
    answer = await post(town, notify("pay_1") | change)
    assert (answer.status_code, answer.content) == (401, b"failure")


async def test_a_notify_of_a_payment_that_is_not_ours_is_kept_and_acknowledged(town):
    answer = await post(town, notify("somebody-elses"))
    assert (answer.status_code, answer.content) == (200, b"success")

    async def noted():
        return town.count("sps_webhooks_received_total", provider="alipay", result="unknown")

    await town.until(noted)
