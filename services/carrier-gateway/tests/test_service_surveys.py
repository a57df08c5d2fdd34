"""The survey of the carrier gateway: messages that wait, parcels that are watched, questions that are late."""

from gateway_kit import message
from prometheus_client import CollectorRegistry

from carrier_gateway.adapters.surveys import LATE_MS, CountWaiting
from carrier_gateway.application.store_port import Inbound, Parcel
from carrier_gateway.metrics import GatewayMetrics

SLOW = "slowpost"
"""A carrier without workers: what waits there goes on waiting."""


async def test_a_parcel_that_is_booked_is_watched_and_no_question_is_late(town):
    await town.booked(await town.funded())
    await town.gateway._count_waiting()
    assert town.count("sps_carrier_parcels_watched", carrier="dhl") == 1
    assert town.count("sps_carrier_questions_late", carrier="dhl") == 0


async def test_what_nobody_handles_and_nobody_asks_is_counted(town):
    now_ms = town.clock.now_ms()
    due = {"watch": "booked", "poll_due_ms": now_ms - LATE_MS - 1}
    parcel = Parcel("ab" * 32, "con_1", "p1", SLOW, "1", None, None, now_ms, **due)
    async with town.gateway.store.transaction() as unit:
        await unit.add_parcel(parcel)
        await unit.keep_inbound(Inbound(SLOW, "k", "signed", "cd" * 32, b"{}", (), now_ms - 60_000))
    metrics = GatewayMetrics(registry := CollectorRegistry(), (SLOW,))
    await CountWaiting(town.gateway.database, (SLOW,), town.clock, metrics)()
    value = registry.get_sample_value
    assert value("sps_carrier_parcels_watched", {"carrier": SLOW}) == 1
    assert value("sps_carrier_questions_late", {"carrier": SLOW}) == 1
    assert value("sps_webhook_pending", {"provider": SLOW}) == 1
    assert value("sps_webhook_oldest_age_seconds", {"provider": SLOW}) == 60


async def test_a_message_is_measured_from_its_arrival_until_it_is_handled(town):
    await town.booked(await town.funded())
    assert await town.push(message()) == 200
    await town.until(lambda: town.handled(1))
    await town.gateway._count_waiting()
    assert town.count("sps_webhook_handling_seconds_count", provider="dhl") == 1
    assert town.count("sps_webhook_pending", provider="dhl") == 0
    assert town.count("sps_webhook_oldest_age_seconds", provider="dhl") == 0
