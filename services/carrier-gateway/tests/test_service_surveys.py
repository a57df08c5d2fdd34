"""The survey of the carrier gateway: messages that wait, parcels that are watched, questions that are late."""

from gateway_kit import message

from carrier_gateway.adapters.surveys import LATE_MS


async def test_a_parcel_is_watched_and_a_question_that_is_not_asked_is_late(town):
    await town.booked(await town.funded())
    await town.gateway._count_waiting()
    assert town.count("sps_carrier_parcels_watched", carrier="dhl") == 1
    assert town.count("sps_carrier_questions_late", carrier="dhl") == 0
    await town.gateway.stop()
    town.clock.advance(24 * 3_600_000 + LATE_MS)
    await town.gateway._count_waiting()
    assert town.count("sps_carrier_questions_late", carrier="dhl") == 1


async def test_a_message_is_measured_from_its_arrival_until_it_is_handled(town):
    await town.booked(await town.funded())
    assert await town.push(message()) == 200
    await town.until(lambda: town.handled(1))
    await town.gateway._count_waiting()
    assert town.count("sps_webhook_handling_seconds_count", provider="dhl") == 1
    assert town.count("sps_webhook_pending", provider="dhl") == 0
    assert town.count("sps_webhook_oldest_age_seconds", provider="dhl") == 0
