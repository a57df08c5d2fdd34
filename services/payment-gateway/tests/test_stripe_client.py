import httpx
import pytest
from msgspec.structs import replace
from payment_gateway_fakes import AsgiStripe

from payment_gateway.adapters.http_exchange import HttpExchange
from payment_gateway.adapters.stripe.client import StripeAccess, StripeClient
from payment_gateway.adapters.stripe.provider import PAGES_MAX, StripeProvider
from payment_gateway.adapters.stripe.webhook import EventVerifier
from payment_gateway.application.ports import CheckoutWish, Instruction, ProviderTrouble
from payment_gateway.core.outcome import Absent, Accepted, Rejected, Returned, Sent, Unknown
from payment_gateway.core.units import UnitRefused
from sps.money import Money

NOW = 1_767_240_000_000
PAYMENT = "pay_01jd0000000000000000000000"
PAYOUT = Instruction("pyo_01jd0000000000000000000000", Money(8888, "USD"), NOW, account="ba_1")
TRANSFER = replace(PAYOUT, account="acct_1")
REFUND = Instruction(
    "rfd_01jd0000000000000000000000", Money(100, "USD"), NOW, payment=PAYMENT, payment_reference="pi_1"
)
AFTER_EXECUTING = ["silence", "error_500", "error_429", "garbage", "huge"]


@pytest.fixture
def server():
    return AsgiStripe()


@pytest.fixture
async def provider(server):
    exchange = HttpExchange(0.05, httpx.ASGITransport(server))
    client = StripeClient(StripeAccess("http://stripe.test/stripe", "sk_test_1"), exchange)
    made = StripeProvider(client, EventVerifier(["whsec_1"]), exchange)
    yield made
    await made.stop()


async def open_checkout(provider):
    wish = CheckoutWish(PAYMENT, "ctr_1", Money(8888, "USD"), "http://back", NOW + 1000)
    return await provider.checkout(wish)


async def test_a_checkout_is_made_once_for_a_payment(provider, server):
    first, second = await open_checkout(provider), await open_checkout(provider)
    method, path, form, _, key = server.calls[0]
    assert first == second
    assert (method, path, key) == ("POST", "checkout/sessions", PAYMENT)
    assert form["line_items[0][price_data][unit_amount]"] == "8888"
    assert form["line_items[0][price_data][currency]"] == "usd"
    assert form["metadata[payment]"] == form["payment_intent_data[metadata][payment]"] == PAYMENT


async def test_the_intent_says_what_arrived_and_what_it_cost(provider, server):
    checkout = await open_checkout(provider)
    assert (await provider.find_payment(PAYMENT, checkout.reference)).state == "pending"
    server.pay(checkout.reference, PAYMENT, 8000, "eur", fee=120)
    found = await provider.find_payment(PAYMENT, checkout.reference)
    assert (found.state, found.reference) == ("succeeded", "pi_1")
    assert (found.amount, found.fee, found.fee_follows) == (Money(8000, "EUR"), Money(120, "EUR"), False)


async def test_one_of_several_intents_is_asked_for_by_its_own_number(provider, server):
    checkout = await open_checkout(provider)
    server.pay(checkout.reference, PAYMENT, 8888, "usd", fee=1)
    assert (await provider.find_payment(PAYMENT, checkout.reference, "pi_1")).state == "succeeded"
    with pytest.raises(ProviderTrouble):
        await provider.find_payment(PAYMENT, checkout.reference, "pi_9")


async def test_a_fee_that_is_not_booked_yet_follows(provider, server):
    checkout = await open_checkout(provider)
    server.pay(checkout.reference, PAYMENT, 8888, "usd")
    found = await provider.find_payment(PAYMENT, checkout.reference)
    assert (found.fee, found.fee_follows) == (None, True)


async def test_an_expired_session_has_failed(provider, server):
    checkout = await open_checkout(provider)
    server.objects[f"checkout/sessions/{checkout.reference}"]["status"] = "expired"
    found = await provider.find_payment(PAYMENT, checkout.reference)
    assert (found.state, found.reason) == ("failed", "expired")


async def test_a_payment_whose_session_was_lost_is_found_by_our_number(provider, server):
    assert (await provider.find_payment(PAYMENT, "")).state == "absent"
    checkout = await open_checkout(provider)
    server.pay(checkout.reference, PAYMENT, 8888, "usd", fee=1)
    assert (await provider.find_payment(PAYMENT, "")).state == "succeeded"


async def test_the_intent_of_another_payment_is_trouble(provider, server):
    checkout = await open_checkout(provider)
    server.pay(checkout.reference, "pay_other", 8888, "usd")
    with pytest.raises(ProviderTrouble):
        await provider.find_payment(PAYMENT, checkout.reference)


@pytest.mark.parametrize("how", AFTER_EXECUTING)
async def test_a_query_without_a_clear_answer_is_trouble(provider, server, how):
    checkout = await open_checkout(provider)
    server.wrong.next = [how]
    with pytest.raises(ProviderTrouble):
        await provider.find_payment(PAYMENT, checkout.reference)


@pytest.mark.parametrize(
    ("instruction", "path"), [(PAYOUT, "payouts"), (TRANSFER, "transfers"), (REFUND, "refunds")]
)
@pytest.mark.parametrize("how", AFTER_EXECUTING)
async def test_what_was_executed_without_an_answer_is_unknown_and_found_by_our_number(
    provider, server, instruction, path, how
):
    send, find = (
        (provider.send_refund, provider.find_refund)
        if path == "refunds"
        else (provider.send_payout, provider.find_payout)
    )
    assert isinstance(await find(instruction), Absent)
    server.wrong.next = [how]
    assert isinstance(await send(instruction), Unknown)
    assert isinstance(await find(instruction), Sent)
    method, called, _, _, key = next(call for call in server.calls if call[0] == "POST")
    assert (method, called, key) == ("POST", path, instruction.id)
    assert isinstance(await send(instruction), Sent)
    assert len(server.keys) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("paid", Sent),
        ("pending", Accepted),
        ("in_transit", Accepted),
        ("failed", Returned),
        ("canceled", Returned),
        ("new", Unknown),
    ],
)
async def test_the_states_of_a_payout(provider, server, status, kind):
    server.status["payouts"] = status
    assert isinstance(await provider.send_payout(PAYOUT), kind)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("succeeded", Sent),
        ("pending", Accepted),
        ("requires_action", Accepted),
        ("failed", Rejected),
        ("?", Unknown),
    ],
)
async def test_the_states_of_a_refund(provider, server, status, kind):
    server.status["refunds"] = status
    assert isinstance(await provider.send_refund(REFUND), kind)


async def test_a_reversed_transfer_came_back(provider, server):
    sent = await provider.send_payout(TRANSFER)
    server.objects[f"transfers/{sent.reference}"]["reversed"] = True
    found = await provider.find_payout(replace(TRANSFER, reference=sent.reference))
    assert (type(found), found.amount) == (Returned, TRANSFER.amount)


async def test_an_object_of_another_order_or_amount_is_no_answer(provider, server):
    sent = await provider.send_payout(PAYOUT)
    known = replace(PAYOUT, reference=sent.reference)
    assert await provider.find_payout(replace(known, amount=Money(1, "USD"))) == Unknown("other_amount")
    assert await provider.find_payout(replace(known, id="pyo_other")) == Unknown("other_order")
    assert await provider.find_payout(replace(known, reference="po_none")) == Unknown("not_found")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ((400, {"error": {"type": "invalid_request_error", "code": "balance_insufficient"}}), Rejected),
        ((402, {"error": {"type": "card_error", "code": "declined"}}), Rejected),
        ((400, {"error": {"type": "idempotency_error"}}), Unknown),
        ((400, {"error": {"type": "invalid_request_error", "code": "charge_already_refunded"}}), Unknown),
        ((400, {"nothing": 1}), Unknown),
        ((401, {"error": {"type": "invalid_request_error"}}), Unknown),
        ((409, {"error": {"type": "invalid_request_error"}}), Unknown),
        ((429, {"error": {"type": "invalid_request_error"}}), Unknown),
        ((500, {"error": {"type": "api_error"}}), Unknown),
    ],
)
async def test_only_a_clear_refusal_is_a_refusal(provider, server, error, kind):
    server.error = error
    assert isinstance(await provider.send_payout(PAYOUT), kind)


async def test_the_whole_list_is_read_before_absence_is_believed(provider, server):
    server.page_size = 2
    for number in range(7):
        await provider.send_payout(replace(PAYOUT, id=f"pyo_{number}"))
    assert isinstance(await provider.find_payout(replace(PAYOUT, id="pyo_6")), Sent)
    assert isinstance(await provider.find_payout(replace(PAYOUT, id="pyo_7")), Absent)


async def test_a_list_that_repeats_or_never_ends_proves_no_absence(provider, server):
    server.page_size = 1
    for number in range(PAGES_MAX + 2):
        await provider.send_payout(replace(PAYOUT, id=f"pyo_{number}"))
    assert await provider.find_payout(replace(PAYOUT, id="pyo_x")) == Unknown("list_too_long")
    server.repeat_pages = True
    assert await provider.find_payout(replace(PAYOUT, id="pyo_x")) == Unknown("list_repeats")


async def test_an_unpaid_page_is_closed(provider, server):
    checkout = await open_checkout(provider)
    await provider.close_checkout(PAYMENT, "")
    assert len(server.calls) == 1
    server.error = (404, {"error": {"type": "invalid_request_error", "code": "resource_missing"}})
    with pytest.raises(ProviderTrouble):
        await provider.close_checkout(PAYMENT, checkout.reference)


@pytest.mark.parametrize("account", ["", "4242", "acct_", "ba_1 2", "po_1"])
def test_what_is_no_destination_is_refused(provider, account):
    with pytest.raises(UnitRefused):
        provider.check_account(account, "")
    assert provider.check_account("acct_1A", "") == "acct_1A"
