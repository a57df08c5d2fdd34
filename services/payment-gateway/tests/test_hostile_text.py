"""Words of strangers that no database keeps: refused, or turned into words of ours; no loop ever dies of them."""

import hmac
import json
import time

import httpx
import pytest
from payment_gateway_fakes import FakeProvider
from payment_gateway_town import RETURN_URL, PaymentTown

from payment_gateway.adapters.http_exchange import HttpExchange
from payment_gateway.adapters.stripe.client import StripeAccess, StripeClient
from payment_gateway.adapters.stripe.provider import StripeProvider
from payment_gateway.adapters.stripe.webhook import EventVerifier
from payment_gateway.application.ports import CheckoutWish, Hint, Instruction, ProviderTrouble
from payment_gateway.core.outcome import Unknown
from payment_gateway.core.words import event_name
from sps.money import Money

PAYMENT = "pay_01jd0000000000000000000000"
ORDER = "pyo_01jd0000000000000000000000"
BAD = ["a\0b", "\0", "x" * 5_000, "\u202e\n", "茶"]


class Talkative(FakeProvider):
    """Says whatever the test wants it to say in a callback."""

    hint = Hint("none")

    def prove(self, callback):
        super().prove(callback)
        return self.hint


@pytest.fixture
async def town(tmp_path, database_url):
    async with PaymentTown(tmp_path, {"alipay": Talkative()}, database_url=database_url) as built:
        yield built


async def test_a_callback_may_say_anything(town):
    provider = town.providers["alipay"]
    deal = await town.agreed()
    payment = (await town.open_payment(deal)).json()["payment"]
    await town.next_block()
    for hint in [hint for bad in BAD for hint in said(bad, payment)]:
        provider.hint = hint
        assert (await town.call_back("e", "none", "x")).status_code == 200
        await town.until(lambda: all_translated(town))
    provider.paid[payment] = Money(100_000, "CNY")
    provider.hint = Hint("payment", payment, "evt_good")
    await town.call_back("e", "none", "x")
    await town.next_block()
    assert town.chain.state.contracts[deal.id].funding == "funded"
    assert town.count("sps_webhooks_received_total", provider="alipay", result="duplicate") >= 1


def said(bad, payment):
    """What a provider may make of such a text."""
    return (
        Hint("payment", bad, bad, bad),
        Hint("payment", payment, bad, bad),
        Hint("payment", payment, f"{bad}1", bad),
        Hint("order", bad, f"{bad}2"),
        Hint("none", "", f"{bad}3"),
    )


async def all_translated(town):
    register = town.gateway.callbacks._register
    return not await register.waiting_callbacks(1)


@pytest.mark.parametrize("bad", ["\\u0000", "\\ud800"])
async def test_bad_text_in_an_internal_request_is_refused(town, bad):
    deal = await town.agreed()
    wish = {"contract": deal.id, "provider": "alipay", "return_url": RETURN_URL}
    account = {"provider": "alipay", "account": "2088000000000009", "name": "Alice"}
    headers = {"content-type": "application/json"}
    for path, body in (("payments", wish), ("beneficiaries", account)):
        for field in body:
            content = json.dumps(body | {field: f"{body[field]}BAD"}).replace("BAD", bad)
            answer = await town.http.post(f"/internal/{path}", content=content, headers=headers)
            assert (field, answer.status_code) == (field, 422)
    for name in ("%00", "%ED%A0%80", "x" * 5_000):
        assert (await town.http.get(f"/internal/payments/{name}")).status_code == 404
        assert (await town.http.post(f"/webhooks/{name}", content=b"good")).status_code == 401


def test_an_events_name_is_a_key_whatever_it_says():
    assert event_name("evt_1") == "evt_1"
    assert event_name("") == ""
    names = [event_name(bad) for bad in (*BAD, "\ud800", "x" * 5_001)]
    assert len(set(names)) == len(names)
    assert all(name.isascii() and name.isprintable() and len(name) <= 128 for name in names)


def answering(*bodies):
    """Stripe, as it answers call by call."""
    left = list(bodies)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=left.pop(0)))
    exchange = HttpExchange(1, transport)
    return StripeProvider(
        StripeClient(StripeAccess("http://stripe.test", "sk"), exchange), EventVerifier([]), exchange
    )


@pytest.mark.parametrize(
    "changes", [{"id": bad} for bad in BAD] + [{"url": f"https://pay/{bad}"} for bad in BAD]
)
async def test_a_session_that_cannot_be_kept_is_trouble(changes):
    session = {"id": "cs_1", "client_reference_id": PAYMENT, "url": "https://pay.stripe/cs_1"}
    wish = CheckoutWish(PAYMENT, "ctr_1", Money(5000, "EUR"), RETURN_URL, int(time.time() * 1000))
    assert (await answering(session).checkout(wish)).reference == "cs_1"
    with pytest.raises(ProviderTrouble):
        await answering(session | changes).checkout(wish)


@pytest.mark.parametrize("bad", BAD)
async def test_a_number_of_money_that_cannot_be_kept_is_trouble(bad):
    intent = {
        "id": bad,
        "status": "succeeded",
        "currency": "eur",
        "amount_received": 5000,
        "metadata": {"payment": PAYMENT},
    }
    with pytest.raises(ProviderTrouble):
        await answering(intent).find_payment(PAYMENT, "", "pi_1")
    movement = {"id": bad, "amount": 5000, "currency": "eur", "metadata": {"order": ORDER}, "status": "paid"}
    instruction = Instruction(ORDER, Money(5000, "EUR"), 0, account="ba_1")
    assert await answering(movement).send_payout(instruction) == Unknown("bad_answer")


async def test_a_signed_event_with_an_impossible_id_is_handled_and_known(tmp_path, database_url):
    """The real verifier, over the wire."""
    exchange = HttpExchange(1, httpx.MockTransport(lambda _: httpx.Response(500)))
    access = StripeAccess("http://stripe.test", "sk")
    stripe = StripeProvider(StripeClient(access, exchange), EventVerifier(["whsec_1"]), exchange)
    async with PaymentTown(tmp_path, {"stripe": stripe}, database_url=database_url) as town:
        metadata = {"payment": "pay_\0"}
        event = {
            "id": "evt_\0",
            "data": {"object": {"id": "pi_\0", "object": "payment_intent", "metadata": metadata}},
        }
        body = json.dumps(event).encode()
        stamp = town.clock.now_ms() // 1000
        mac = hmac.digest(b"whsec_1", b"%d." % stamp + body, "sha256").hex()
        for _ in range(2):
            answer = await town.http.post(
                "/webhooks/stripe", content=body, headers={"stripe-signature": f"t={stamp},v1={mac}"}
            )
            assert answer.status_code == 200
            await town.until(lambda: all_translated(town))
        assert town.count("sps_webhooks_received_total", provider="stripe", result="duplicate") == 1
        assert town.gateway.member.supervisor.defect is None
