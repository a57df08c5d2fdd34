"""Messages of carriers through the gateway's real bootstrap, with a chain beside it and a fake of the carrier port."""

from chain_world import DAY_MS
from gateway_kit import NOW_MS, NUMBER, message
from sqlalchemy import select

from carrier_gateway.adapters import tables
from carrier_gateway.application.carrier_port import CarrierTrouble
from sps.chain.receipt import OK
from sps.runtime.errors import Trouble

DOCUMENT = "cd" * 32
HOOKS, SAID = "sps_webhooks_received_total", "sps_carrier_events_total"


def evidence(town):
    return [receipt for receipt in town.chain.receipts if receipt.kind == "parcel.evidence.v1"]


async def test_a_signed_delivery_with_address_and_document_releases_the_money(town):
    deal = await town.funded()
    await town.booked(deal)
    assert await town.push(message(signed_by="Jo", to=True)) == 200
    await town.next_block()
    parcel = town.parcel(deal)
    assert (parcel.state, parcel.level) == ("delivered", 3)
    assert [tranche.state for tranche in town.chain.state.contracts[deal.id].tranches] == ["released"]
    assert parcel.tag == (await town.shown(deal))["tag"]


async def test_a_forged_message_is_refused_counted_and_sampled(town):
    await town.booked(await town.funded())
    assert await town.push(message(), key="wrong") == 401
    assert await town.push(message(), carrier="pigeon") == 401
    assert town.count(HOOKS, provider="dhl", result="signature") == 1
    assert town.count(HOOKS, provider="unknown", result="path") == 1
    assert evidence(town) == []


async def test_a_flood_of_forgeries_is_not_a_flood_of_writes(town):
    for _ in range(20):
        await town.push(message(), key="wrong")
    async with town.gateway.database.reading() as connection:
        rows = (await connection.execute(select(tables.refused_sample))).all()
    assert [(row.carrier, row.reason) for row in rows] == [("dhl", "signature")]
    assert town.count(HOOKS, provider="dhl", result="signature") == 20


async def test_all_that_is_wrong_gets_the_same_answer(town):
    answers = [
        await town.http.post(path, content=b"{}", headers={"x-secret": "wrong"})
        for path in ("/webhooks/dhl", "/webhooks/dhl/secret", "/webhooks/pigeon", "/webhooks/pigeon/x")
    ]
    bodies = [
        {name: value for name, value in answer.json().items() if name != "instance"} for answer in answers
    ]
    assert all(body == bodies[0] for body in bodies)
    assert {answer.status_code for answer in answers} == {401}


async def test_a_message_five_times_is_one_fact(town):
    deal = await town.funded()
    await town.booked(deal)
    assert [await town.push(message(signed_by="Jo", to=True)) for _ in range(5)] == [200] * 5
    await town.next_block()
    assert [receipt.code for receipt in evidence(town)] == [OK]
    assert town.count(HOOKS, provider="dhl", result="duplicate") == 4


async def test_out_of_order_messages_end_in_the_same_state(town):
    deal = await town.funded()
    await town.booked(deal)
    await town.push(message(signed_by="Jo", to=True))
    await town.push(message("in_transit", NOW_MS - 5_000))
    await town.until(lambda: town.handled(2))
    await town.next_block()
    assert town.parcel(deal).state == "delivered"
    assert len(evidence(town)) == 1


async def test_a_message_three_days_late_is_taken(town):
    deal = await town.funded()
    await town.booked(deal)
    town.clock.advance(3 * DAY_MS)
    await town.push(message(at=NOW_MS + 1, signed_by="Jo", to=True))
    await town.next_block(NOW_MS + 3 * DAY_MS)
    assert town.parcel(deal).state == "delivered"


async def test_when_the_outbox_fails_the_message_stays_and_is_translated_again(town, monkeypatch):
    deal = await town.funded()
    await town.booked(deal)
    failures = [Trouble("the chain is far behind")] * 2
    add = town.gateway.outbox.add

    async def sometimes(*arguments):
        if failures:
            raise failures.pop()
        return await add(*arguments)

    monkeypatch.setattr(town.gateway.outbox, "add", sometimes)
    assert await town.push(message(signed_by="Jo", to=True)) == 200
    await town.next_block()
    assert [receipt.code for receipt in evidence(town)] == [OK]
    assert town.parcel(deal).level == 3


async def test_when_the_database_fails_the_carrier_is_told_to_send_again(town, monkeypatch):
    def broken():
        raise Trouble("the disk is full")

    monkeypatch.setattr(town.gateway.store, "transaction", broken)
    assert await town.push(message()) == 503


async def test_an_unknown_number_is_stored_counted_and_harmless(town):
    assert await town.push(message(number="99999999")) == 200
    await town.until(lambda: town.handled(1))
    assert town.count(SAID, carrier="dhl", result="unknown_number") == 1


async def test_what_cannot_be_read_is_stored_counted_and_harmless(town):
    assert await town.push(b"\xff not json") == 200
    await town.until(lambda: town.handled(1))
    assert town.count(SAID, carrier="dhl", result="unreadable") == 1


async def test_a_message_that_breaks_the_reader_stands_in_nobodys_way(town):
    deal = await town.funded()
    await town.booked(deal)
    await town.push({"break": 1})
    await town.push(message())
    await town.next_block()
    assert town.parcel(deal).state == "delivered"
    assert town.count(SAID, carrier="dhl", result="poisoned") == 1
    assert town.gateway.ready()


async def test_an_unsigned_push_is_a_hint_and_the_pull_is_the_evidence(town, dhl):
    dhl.origin = "pushed"
    deal = await town.funded()
    await town.booked(deal)
    dhl.at(NUMBER, ("delivered", NOW_MS), document=DOCUMENT)
    assert await town.push(message()) == 200
    await town.next_block()
    assert town.parcel(deal).level == 3
    assert town.count("sps_carrier_evidence_total", carrier="dhl", origin="pulled") == 1
    assert town.count("sps_carrier_evidence_total", carrier="dhl", origin="pushed") == 0


async def test_a_push_that_the_carrier_does_not_confirm_gives_nothing(town, dhl):
    dhl.origin = "pushed"
    deal = await town.funded()
    dhl.at(NUMBER, ("in_transit", NOW_MS))
    await town.booked(deal)
    await town.next_block()
    await town.push(message())
    await town.until(lambda: town.handled(1))
    assert await town.chain.waiting() == 0
    assert town.parcel(deal).state == "in_transit"


async def test_while_the_carrier_cannot_be_asked_the_hint_waits_and_then_goes_as_a_hint(town, dhl):
    dhl.origin = "pushed"
    deal = await town.funded()
    await town.booked(deal)
    dhl.failure = CarrierTrouble("down")
    await town.push(message())
    for _ in range(8):
        town.clock.advance(60_000)
        await town.until(town.nothing_is_due)
    await town.next_block()
    assert (town.parcel(deal).state, town.parcel(deal).level) == ("delivered", 1)
    held = town.chain.state.contracts[deal.id].tranches[0].state
    assert held == "inspection"


async def test_a_hint_is_outdone_when_the_carrier_can_be_asked_again(town, dhl):
    await test_while_the_carrier_cannot_be_asked_the_hint_waits_and_then_goes_as_a_hint(town, dhl)
    dhl.failure = None
    dhl.at(NUMBER, ("delivered", NOW_MS), document=DOCUMENT)
    town.clock.advance(2 * 3_600_000)
    await town.next_block()
    assert next(iter(town.chain.state.contracts.values())).parcels[0].level == 3


async def test_a_handshake_is_answered_and_a_foreign_one_is_not(town, dhl):
    dhl.origin = "pushed"
    await town.push({"handshake": "https://carrier.test/sub-1"})
    await town.push({"handshake": "https://evil.test/sub-1"})
    await town.until(lambda: town.handled(2))
    assert dhl.confirmed == ["https://carrier.test/sub-1"]
    assert town.count(SAID, carrier="dhl", result="foreign_address") == 1


async def test_what_was_kept_before_a_stop_is_translated_after_the_start(town, dhl):
    deal = await town.funded()
    await town.booked(deal)
    for worker in town.gateway._translators:
        worker._work.round = _never
    assert await town.push(message(signed_by="Jo", to=True)) == 200
    await town.down()
    await town.up()
    await town.next_block()
    assert town.parcel(deal).level == 3


async def _never():
    return False
