"""Bookings, subscriptions and polls through the gateway's real bootstrap, with a chain beside it."""

import asyncio

import pytest
from chain_world import DAY_MS
from gateway_kit import NOW_MS, NUMBER, PLACE, SALT, message

from carrier_gateway.application.carrier_port import CarrierRefused, CarrierTrouble
from carrier_gateway.core.normal_forms import ship_to
from sps.chain.receipt import OK

DOCUMENT = "cd" * 32


async def test_a_booking_is_subscribed_and_asked_for_at_once(town, dhl):
    deal = await town.funded()
    dhl.at(NUMBER, ("in_transit", NOW_MS - 1))
    await town.booked(deal)
    await town.next_block()
    assert dhl.subscribed == [NUMBER]
    assert town.parcel(deal).state == "in_transit"
    assert (await town.shown(deal))["subscription"] == "made"


async def test_a_pulled_delivery_counts_like_a_signed_one(town, dhl):
    deal = await town.funded()
    dhl.at(NUMBER, ("delivered", NOW_MS - 1), document=DOCUMENT)
    await town.booked(deal)
    await town.next_block()
    assert town.parcel(deal).level == 3
    assert town.chain.state.contracts[deal.id].tranches[0].state == "released"


async def test_a_repeat_of_the_same_wish_has_the_same_answer(town):
    deal = await town.funded()
    first, second = await town.book(deal), await town.book(deal, tracking_number="7777 777-770")
    assert (first.status_code, second.status_code) == (201, 200)
    moves_on = {"subscription": "whatever it is by now"}
    assert first.json() | moves_on == second.json() | moves_on
    await town.next_block()
    assert [receipt.code for receipt in town.chain.receipts if receipt.kind == "parcel.book.v1"] == [OK]


async def test_of_sixteen_wishes_at_once_for_one_number_one_contract_gets_it(town):
    deals = [await town.funded(name) for name in ("one", "two")]
    answers = await asyncio.gather(*(town.book(deals[i % 2]) for i in range(16)))
    codes = [answer.status_code for answer in answers]
    assert sorted(set(codes)) == [200, 201, 409]
    assert codes.count(201) == 1
    assert codes.count(409) == 8


async def test_a_number_of_another_parcel_is_refused_and_says_what_to_do(town):
    await town.booked(await town.funded("one"))
    answer = await town.book(await town.funded("two"))
    assert answer.status_code == 409
    assert answer.json()["code"] == "TRACKING_NUMBER_USED"
    assert "Check the number" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"carrier": "pigeon"}, "UNKNOWN_CARRIER"),
        ({"tracking_number": "x"}, "BAD_TRACKING_NUMBER"),
        ({"tracking_number": "../../etc"}, "BAD_TRACKING_NUMBER"),
        ({"country": "Germany"}, "BAD_DESTINATION"),
        ({"postcode": "1|2"}, "BAD_DESTINATION"),
        ({"ship_to_salt": "ab"}, "VALIDATION_FAILED"),
        ({"contract": "ctr_1"}, "VALIDATION_FAILED"),
        ({"surprise": "1"}, "VALIDATION_FAILED"),
    ],
)
async def test_a_wish_that_does_not_fit_is_refused(town, changes, code):
    answer = await town.book(await town.funded(), **changes)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_internal_routes_need_the_token(town):
    deal = await town.funded()
    town.http.headers["authorization"] = "Bearer something-else"
    assert (await town.book(deal)).status_code == 401
    assert (await town.http.get(f"/internal/parcels/{deal.id}/p1")).status_code == 401
    assert (await town.http.get("/metrics")).status_code == 404, "carriers reach this port"


async def test_an_unknown_parcel_is_not_found(town):
    deal = await town.funded()
    assert (await town.http.get(f"/internal/parcels/{deal.id}/p1")).status_code == 404


async def test_a_booking_that_the_chain_refuses_is_marked_and_can_be_tried_again(town):
    deal = await town.funded(carrier="easypost")  # the terms do not name dhl
    assert (await town.book(deal)).status_code == 201
    await town.next_block()
    await town.until(lambda: town.watch_is(deal, "refused"))
    assert (await town.shown(deal))["code"] == "UNKNOWN_CARRIER"
    assert (await town.shown(deal))["message"]
    other = await town.funded("other")
    assert (await town.book(other)).status_code == 200
    await town.next_block()
    await town.until(lambda: town.watch_is(other, "booked"))


async def test_a_silent_parcel_is_asked_for_and_then_less_often(town, dhl):
    deal = await town.funded()
    await town.booked(deal)
    await town.until(lambda: _pulled(dhl, 1))
    town.clock.advance(15 * 60_000)
    assert len(dhl.pulled) == 1
    town.clock.advance(15 * 60_000)
    await town.until(lambda: _pulled(dhl, 2))
    dhl.at(NUMBER, ("delivered", NOW_MS), document=DOCUMENT)
    town.clock.advance(60 * 60_000)
    await town.next_block()
    assert town.parcel(deal).state == "delivered"


async def test_a_delivered_parcel_is_not_asked_for_any_more(town, dhl):
    deal = await town.funded(release="on_delivery_plus_inspection")
    dhl.at(NUMBER, ("delivered", NOW_MS), document=DOCUMENT)
    await town.booked(deal)
    await town.next_block()
    await town.until(lambda: town.watch_is(deal, "settled"))
    asked = len(dhl.pulled)
    town.clock.advance(10 * DAY_MS)
    await town.push(message(number="99999999"))
    await town.until(lambda: town.handled(1))
    assert len(dhl.pulled) == asked


async def test_a_proof_that_comes_later_raises_the_level(town, dhl):
    deal = await town.funded()
    dhl.complete = False
    dhl.at(NUMBER, ("delivered", NOW_MS))
    await town.booked(deal)
    await town.next_block()
    assert town.parcel(deal).level == 2
    dhl.complete = True
    dhl.at(NUMBER, ("delivered", NOW_MS), document=DOCUMENT)
    town.clock.advance(60_000)
    await town.next_block()
    assert town.parcel(deal).level == 3


async def test_a_subscription_is_tried_again_after_trouble(town, dhl):
    dhl.failure = CarrierTrouble("down")
    deal = await town.funded()
    await town.booked(deal)
    assert (await town.shown(deal))["subscription"] == "waiting"
    dhl.failure = None
    town.clock.advance(2_000)
    await town.until(lambda: _subscription_is(town, deal, "made"))


async def test_a_refused_subscription_is_shown_and_the_parcel_is_still_asked_for(town, dhl):
    dhl.failure = CarrierRefused("CARRIER_REFUSED", "no")
    deal = await town.funded()
    await town.booked(deal)
    await town.until(lambda: _subscription_is(town, deal, "refused"))
    dhl.failure = None
    dhl.at(NUMBER, ("in_transit", NOW_MS))
    town.clock.advance(60 * 60_000)
    await town.next_block()
    assert town.parcel(deal).state == "in_transit"


async def test_what_was_said_during_a_refused_booking_is_said_again_for_the_next(town):
    deal = await town.funded(carrier="easypost")  # the terms do not name dhl
    await town.book(deal)
    await town.push(message(signed_by="Jo", to=True))
    await town.until(lambda: town.handled(1))
    await town.next_block()
    await town.until(lambda: town.watch_is(deal, "refused"))
    other = await town.funded("other")
    await town.book(other)
    await town.push(message(signed_by="Joe", to=True))
    await town.until(lambda: town.handled(2))
    await town.until(lambda: _answered(town, other))
    assert town.parcel(other).level == 3


async def test_a_replaced_number_may_come_back_to_its_parcel(town):
    deal = await town.funded()
    await town.booked(deal)
    await town.book(deal, tracking_number="8888888880")
    await town.next_block()
    assert (await town.book(deal)).status_code == 200
    await town.next_block()
    async with town.gateway.store.reading() as unit:
        assert (await unit.parcel_of_number("dhl", NUMBER)).watch == "booked"
        assert (await unit.parcel_of_number("dhl", "8888888880")).watch == "replaced"


async def test_when_the_contract_is_closed_the_address_is_forgotten(town):
    deal = await town.funded()
    await town.booked(deal)
    await town.push(message(signed_by="Jo", to=True))
    await town.next_block()
    await town.until(lambda: town.watch_is(deal, "closed"))
    async with town.gateway.store.reading() as unit:
        parcel = await unit.parcel_of_number("dhl", NUMBER)
    assert (parcel.destination, parcel.salt) == (None, None)


async def test_another_number_for_the_parcel_ends_the_watch_of_the_first(town):
    deal = await town.funded()
    await town.booked(deal)
    await town.book(deal, tracking_number="8888888880")
    await town.next_block()
    async with town.gateway.store.reading() as unit:
        assert (await unit.parcel_of_number("dhl", NUMBER)).watch == "replaced"


async def test_the_commitment_on_the_chain_is_the_contracts(town):
    deal = await town.funded()
    assert deal.terms.ship_to == ship_to(PLACE, SALT)


async def _answered(town, deal):
    """Blocks until nothing of ours waits any more."""
    if await town.chain.waiting():
        await town.next_block()
    return town.parcel(deal).state == "delivered"


async def _pulled(carrier, count):
    return len(carrier.pulled) >= count


async def _subscription_is(town, deal, state):
    return (await town.shown(deal))["subscription"] == state
