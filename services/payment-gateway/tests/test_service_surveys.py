"""The survey of the payment gateway: orders, payments and callbacks that are not over; labels that stay few."""

import pytest
from payment_gateway_fakes import FakeProvider
from payment_gateway_town import PaymentTown
from prometheus_client import CollectorRegistry

from payment_gateway.metrics import GatewayMetrics, OpenOrders, Waiting

HOUR_MS = 3_600_000
PROVIDERS = 1_000


@pytest.fixture
def alipay():
    return FakeProvider()


@pytest.fixture
async def town(tmp_path, alipay, database_url):
    async with PaymentTown(tmp_path, {"alipay": alipay}, database_url=database_url) as town:
        yield town


def series(registry):
    """Every line that a scrape would bring, without its value."""
    return {(s.name, *sorted(s.labels.items())) for family in registry.collect() for s in family.samples}


async def test_an_order_whose_outcome_is_unknown_is_open_and_grows_old(town, alipay):
    order = await town.payout_ordered()
    alipay.lose_answers = 1
    await town.send_order(order)
    await town.until(lambda: town.order_is(order, "unknown"))
    alipay.down = True
    town.clock.advance(HOUR_MS)
    await town.gateway._count_open()
    assert town.count("sps_orders_open", provider="alipay", state="unknown") == 1
    assert town.count("sps_orders_oldest_age_seconds", provider="alipay") > 0.9 * HOUR_MS / 1000


async def test_an_order_that_is_paid_is_not_open_and_a_buyer_under_way_is_pending(town):
    order = await town.payout_ordered()
    await town.send_order(order)
    await town.next_block()
    deal = await town.agreed("waits")
    assert (await town.open_payment(deal, "alipay")).status_code == 201
    await town.gateway._count_open()
    assert (
        sum(town.count("sps_orders_open", provider="alipay", state=each) for each in ("ordered", "sending"))
        == 0
    )
    assert town.count("sps_orders_oldest_age_seconds", provider="alipay") == 0
    assert town.count("sps_payments_pending", provider="alipay") == 1


async def test_a_callback_is_measured_from_its_arrival_until_it_is_handled(town):
    deal = await town.agreed()
    await town.paid(deal)
    await town.gateway._count_open()
    assert town.count("sps_webhook_handling_seconds_count", provider="alipay") >= 1
    assert town.count("sps_webhook_pending", provider="alipay") == 0


def test_a_thousand_foreign_providers_make_no_more_series():
    metrics = GatewayMetrics(registry := CollectorRegistry(), ("alipay",))
    before = series(registry)
    names = [f"provider-{number}" for number in range(PROVIDERS)]
    metrics.orders_open([OpenOrders(name, "unknown", 1, 5_000) for name in names], 6_000)
    metrics.callbacks_waiting([Waiting(name, 1, 5_000) for name in names], 6_000)
    metrics.payments_pending(dict.fromkeys(names, 1))
    for name in names:
        metrics.called_back(name, "unknown", 10)
    assert series(registry) == before
    assert (
        registry.get_sample_value("sps_orders_open", {"provider": "other", "state": "unknown"}) == PROVIDERS
    )
    assert registry.get_sample_value("sps_orders_oldest_age_seconds", {"provider": "other"}) == 1
