"""Incoming money through the real bootstrap, with a chain beside it and a provider with books of its own."""

import asyncio

import pytest
from chain_kit import API
from chain_world import Deal, terms
from payment_gateway_fakes import FakeProvider, as_stripe
from payment_gateway_town import RETURN_URL, PaymentTown

from payment_gateway.application import pay_in
from payment_gateway.core.payment import FIRST_LOOK_MS
from sps.money import Money


@pytest.fixture
def alipay():
    return FakeProvider()


@pytest.fixture
async def town(tmp_path, alipay, database_url):
    stripe = as_stripe(FakeProvider())
    providers = {"alipay": alipay, "stripe": stripe}
    async with PaymentTown(tmp_path, providers, database_url=database_url) as built:
        yield built


def funding(town, deal):
    return town.chain.state.contracts[deal.id].funding


async def test_a_payment_funds_the_contract(town, alipay):
    deal = await town.agreed()
    payment = await town.paid(deal)
    assert funding(town, deal) == "funded"
    assert alipay.opened[payment].amount == Money(100_000, "CNY")
    shown = (await town.http.get(f"/internal/payments/{payment}")).json()
    assert shown["state"] == "cleared"
    assert shown["arrivals"] == [
        {"reference": f"trade_{payment}", "amount": {"currency": "CNY", "minor": "100000"}}
    ]


async def test_a_repeat_of_the_wish_is_the_same_payment_while_it_is_open(town, alipay):
    deal = await town.agreed()
    first, second = await town.open_payment(deal), await town.open_payment(deal)
    assert first.status_code == 201
    assert first.json() == second.json()
    assert first.json()["url"].endswith(first.json()["payment"])
    await town.next_block()
    assert town.kinds().count("payment.pending.v1") == 1


async def test_an_agreement_that_is_only_just_final_is_waited_for(town):
    deal = Deal("new", terms())
    await town.chain.say(API, deal.offer(), deal.accept())
    asked = asyncio.create_task(town.open_payment(deal, height=town.chain.kit.height + 1))
    await asyncio.sleep(0.1)
    assert not asked.done()
    await town.followed()
    assert (await asked).status_code == 201


async def test_a_gateway_that_is_behind_its_caller_says_later_and_refuses_nothing(town, monkeypatch):
    monkeypatch.setattr(pay_in, "FOLLOW_S", 0.1)
    deal = Deal("new", terms())
    answer = await town.open_payment(deal, height=town.chain.kit.height + 1)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert (await town.open_payment(deal)).json()["code"] == "UNKNOWN_CONTRACT"


@pytest.mark.parametrize(
    ("arrived", "state"), [(60_000, "part_funded"), (100_000, "funded"), (130_000, "funded")]
)
async def test_what_truly_arrived_is_reported_whatever_was_asked_for(town, arrived, state):
    deal = await town.agreed()
    payment = await town.paid(deal, Money(arrived, "CNY"))
    assert funding(town, deal) == state
    contract = town.chain.state.contracts[deal.id]
    assert (contract.received, contract.payins[0].id) == (arrived, payment)


async def test_another_currency_is_reported_as_what_it_is(town):
    deal = await town.agreed()
    await town.paid(deal, Money(100_000, "USD"))
    contract = town.chain.state.contracts[deal.id]
    assert contract.funding == "unfunded"
    assert [(payin.currency, payin.amount) for payin in contract.payins] == [("USD", 100_000)]


async def test_after_a_part_payment_the_rest_is_another_payment(town):
    deal = await town.agreed()
    first = await town.paid(deal, Money(60_000, "CNY"))
    second = await town.paid(deal, Money(40_000, "CNY"))
    assert first != second
    assert funding(town, deal) == "funded"


async def test_a_callback_five_times_over_and_again_later_moves_money_once(town):
    deal = await town.agreed()
    payment = await town.paid(deal)
    for number in range(5):
        answer = await town.call_back(f"evt-{payment}", "payment", payment)
        assert (answer.status_code, answer.text) == (200, "success")
        await town.call_back(f"other-{number}", "payment", payment)
    await town.until(lambda: seen(town, "duplicate", 5))
    await town.until(lambda: seen(town, "ok", 6))
    await town.followed()
    assert town.kinds().count("payment.cleared.v1") == 1


async def test_a_buyer_who_pays_twice_on_one_page_has_made_two_payments(town, alipay):
    deal = await town.agreed()
    payment = await town.paid(deal)
    alipay.more["trade_two"] = Money(100_000, "CNY")
    await town.call_back("evt-two", "payment", f"{payment} trade_two")
    await town.next_block()
    contract = town.chain.state.contracts[deal.id]
    assert [payin.reference for payin in contract.payins] == [f"trade_{payment}", "trade_two"]
    assert len({payin.id for payin in contract.payins}) == 2
    assert contract.received == 200_000
    await town.call_back("evt-three", "payment", f"{payment} trade_two")
    await town.until(lambda: seen(town, "ok", 3))
    await town.followed()
    assert town.kinds().count("payment.cleared.v1") == 2


async def seen(town, result, times):
    return town.count("sps_webhooks_received_total", provider="alipay", result=result) >= times


@pytest.mark.parametrize("body", [b"", b"forged", b"\xff\xfe", b"x" * 200_000])
async def test_a_forgery_is_refused_counted_and_kept_as_a_sample(town, body):
    answer = await town.http.post("/webhooks/alipay", content=body)
    assert (answer.status_code, answer.text) == (401, "failure")
    assert town.count("sps_webhooks_received_total", provider="alipay", result="refused") == 1


async def test_an_unknown_provider_is_refused_like_a_forgery(town):
    answer = await town.http.post("/webhooks/nobody", content=b"x")
    assert (answer.status_code, answer.text) == (401, "refused")


async def test_a_body_without_end_is_refused(town):
    answer = await town.http.post("/webhooks/alipay", content=b"x" * 400_000)
    assert answer.status_code == 413


async def test_a_callback_that_lies_about_money_moves_nothing(town):
    deal = await town.agreed()
    payment = (await town.open_payment(deal)).json()["payment"]
    await town.next_block()
    await town.call_back("evt1", "payment", payment)
    await town.until(lambda: seen(town, "ok", 1))
    assert town.gateway.registry.get_sample_value("sps_outbox_unconfirmed") == 0
    assert funding(town, deal) == "unfunded"


async def test_a_payment_whose_callback_never_comes_is_asked_for(town, alipay):
    deal = await town.agreed()
    payment = (await town.open_payment(deal)).json()["payment"]
    await town.next_block()
    alipay.paid[payment] = Money(100_000, "CNY")
    town.clock.advance(FIRST_LOOK_MS + 1)
    await town.next_block()
    assert funding(town, deal) == "funded"


async def test_a_buyer_who_never_came_has_failed_in_the_end(town, alipay):
    deal = await town.agreed()
    payment = (await town.open_payment(deal)).json()["payment"]
    await town.next_block()
    alipay.opened.clear()
    town.clock.advance(26 * 3_600_000)
    await town.next_block()
    assert town.kinds()[-1] == "payment.failed.v1"
    assert (await town.http.get(f"/internal/payments/{payment}")).json()["state"] == "failed"
    again = (await town.open_payment(deal)).json()["payment"]
    assert again != payment


async def test_a_page_that_is_not_wanted_any_more_is_closed(town):
    deal = await town.agreed()
    unwanted = (await town.open_payment(deal, "stripe")).json()["payment"]
    await town.next_block()
    await town.paid(deal)
    town.clock.advance(FIRST_LOOK_MS + 1)

    async def closed():
        return town.providers["stripe"].closed

    await town.until(closed)
    assert town.providers["stripe"].closed[0] == unwanted


async def test_money_that_comes_after_all_is_still_reported(town, alipay):
    deal = await town.agreed()
    payment = (await town.open_payment(deal)).json()["payment"]
    await town.next_block()
    alipay.opened.clear()
    town.clock.advance(26 * 3_600_000)
    await town.next_block()
    alipay.paid[payment] = Money(100_000, "CNY")
    await town.call_back("late", "payment", payment)
    await town.next_block()
    assert funding(town, deal) == "funded"


async def test_the_fee_follows_when_the_provider_states_it_later(town):
    stripe = town.providers["stripe"]
    stripe.fees = {"x": None}
    deal = await town.agreed(currency="EUR")
    payment = await town.paid(deal, provider="stripe")
    stripe.fees[payment] = Money(350, "EUR")
    town.clock.advance(FIRST_LOOK_MS + 1)
    await town.next_block()
    assert town.kinds()[-1] == "provider.fee.v1"
    assert town.chain.state.balances["4000/stripe/EUR"] == 350


async def test_a_provider_that_is_down_is_trouble_and_the_same_wish_goes_on_later(town, alipay):
    deal = await town.agreed()
    alipay.down = True
    assert (await town.open_payment(deal)).status_code == 503
    alipay.down = False
    answer = await town.open_payment(deal)
    assert answer.status_code == 201
    assert list(alipay.opened) == [answer.json()["payment"]]


@pytest.mark.parametrize("step", ["callback.stored", "callback.proved"])
async def test_a_crash_before_the_answer_leaves_a_callback_that_is_still_handled(town, alipay, step):
    deal = await town.agreed()
    payment = (await town.open_payment(deal)).json()["payment"]
    await town.next_block()
    alipay.paid[payment] = Money(100_000, "CNY")
    town.probe = crash_at(step)
    assert (await town.call_back("evt", "payment", payment)).status_code == 500
    town.probe = lambda _: None
    await town.down()
    await town.up()
    town.clock.advance(60_000)  # whatever was being looked at when it ended is due again
    await town.next_block()
    assert funding(town, deal) == "funded"


def crash_at(wanted):
    def probe(step):
        if step == wanted:
            raise RuntimeError(wanted)

    return probe


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"provider": "nobody"}, 422, "UNKNOWN_PROVIDER"),
        ({"contract": "ctr_7zzzzzzzzzzzzzzzzzzzzzzzzz"}, 404, "UNKNOWN_CONTRACT"),
        ({"return_url": "javascript:alert(1)"}, 422, "VALIDATION_FAILED"),
        ({"surprise": 1}, 422, "VALIDATION_FAILED"),
        ({"height": -1}, 422, "VALIDATION_FAILED"),
        ({"provider": "stripe"}, 201, None),
    ],
)
async def test_a_wish_that_does_not_fit_is_refused(town, changes, status, code):
    deal = await town.agreed()
    wish = {"contract": deal.id, "height": 0, "provider": "alipay", "return_url": RETURN_URL} | changes
    answer = await town.http.post("/internal/payments", json=wish)
    assert (answer.status_code, answer.json().get("code")) == (status, code)


async def test_a_currency_that_the_provider_does_not_take_is_refused(town):
    answer = await town.open_payment(await town.agreed(currency="EUR"))
    assert (answer.status_code, answer.json()["code"]) == (409, "CURRENCY_NOT_OFFERED")


async def test_nothing_is_opened_for_a_paid_contract(town):
    deal = await town.agreed()
    await town.paid(deal)
    answer = await town.open_payment(deal)
    assert (answer.status_code, answer.json()["code"]) == (409, "NOTHING_DUE")


async def test_internal_routes_need_the_token(town):
    deal = await town.agreed()
    town.http.headers["authorization"] = "Bearer something-else"
    assert (await town.open_payment(deal)).status_code == 401
    assert (await town.http.get("/internal/payments/x")).status_code == 401
    assert (await town.http.post("/internal/beneficiaries", json={})).status_code == 401
    assert (await town.http.get("/metrics")).status_code == 404, "providers reach this port"


async def test_a_beneficiary_is_named_by_a_fresh_salted_commitment(town):
    first, second = await town.beneficiary(), await town.beneficiary()
    assert first != second
    assert len(first) == 64
    kept = await town.gateway.payments.beneficiary(first)
    assert (kept.account, len(kept.salt)) == ("2088000000000009", 32)


async def test_an_unknown_payment_is_not_found(town):
    assert (await town.http.get("/internal/payments/pay_x")).status_code == 404
