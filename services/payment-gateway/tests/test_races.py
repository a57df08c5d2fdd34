"""The same act many times at the same moment, through connections of their own: it is done once."""

import asyncio

import pytest
from msgspec.structs import replace
from payment_gateway_fakes import FakeProvider
from payment_gateway_town import PaymentTown
from sqlalchemy import func, select

from payment_gateway.adapters.callbacks_register import SAMPLES_MAX, SqlCallbackRegister
from payment_gateway.adapters.orders_register import SqlOrderRegister
from payment_gateway.adapters.payments_register import SqlPaymentRegister
from payment_gateway.adapters.tables import callback, outgoing_attempt
from payment_gateway.application.ports import Hint, RawCallback
from payment_gateway.application.register import OrderRow, PaymentRow, Position
from payment_gateway.core.outcome import Sent
from payment_gateway.core.payment import Arrival, pending_fact
from payment_gateway.core.payout import Machine, Rules, answered, begin_sending
from sps.money import Money
from sps.runtime.clock import ManualClock
from sps.runtime.database import Database, DatabaseLimits
from sps.runtime.migrations import upgrade
from sps.runtime.outbox import TransactionOutbox
from sps.runtime.tables import outbox_transaction

CROWD = 16
NOW = 1_800_000_000_000
RULES = Rules()
PAYMENT = PaymentRow(
    id="pay_01jd0000000000000000000000",
    contract="ctr_01jd0000000000000000000000",
    provider="alipay",
    amount=Money(8888, "CNY"),
    created_ms=NOW,
    expires_ms=NOW + 1000,
    due_ms=NOW + 500,
)
ORDER = OrderRow(
    id="pyo_01jd0000000000000000000000",
    kind="payout",
    provider="alipay",
    amount=Money(8888, "CNY"),
    beneficiary="ab" * 32,
    payment="",
    contract="",
    ordered_ms=NOW,
    machine=Machine(due_ms=NOW),
)
FACT = pending_fact(PAYMENT.contract, PAYMENT.id, "alipay")


@pytest.fixture
async def database(database_url):
    await upgrade(database_url, "payment_gateway")
    opened = Database(database_url, DatabaseLimits(pool_size=CROWD))
    yield opened
    await opened.stop()


@pytest.fixture
def payments(database):
    return SqlPaymentRegister(database, TransactionOutbox(3, ManualClock(NOW)))


@pytest.fixture
def orders(database):
    return SqlOrderRegister(database, TransactionOutbox(3, ManualClock(NOW)))


@pytest.fixture
def callbacks(database):
    return SqlCallbackRegister(database)


async def at_once(act):
    """What each of the crowd is answered."""
    return await asyncio.gather(*(act(number) for number in range(CROWD)))


async def count(database, table, *where):
    async with database.reading() as connection:
        return await connection.scalar(select(func.count()).select_from(table).where(*where))


# --- payments ------------------------------------------------------------------------------------------


async def test_a_crowd_opens_one_payment(payments):
    opened = await at_once(lambda n: payments.open_payment(replace(PAYMENT, id=f"pay_{n}")))
    assert len({row.id for row in opened}) == 1


async def test_a_crowd_takes_the_place_of_an_expired_page_once(payments):
    await payments.open_payment(PAYMENT)
    late = replace(PAYMENT, created_ms=PAYMENT.expires_ms, expires_ms=PAYMENT.expires_ms + 1000)
    opened = await at_once(lambda n: payments.open_payment(replace(late, id=f"pay_{n}")))
    assert len({row.id for row in opened} - {PAYMENT.id}) == 1
    assert PAYMENT.id not in {row.id for row in opened}


async def test_a_crowd_sends_a_buyer_to_one_address(payments, database):
    await payments.open_payment(PAYMENT)
    sent = await at_once(
        lambda n: payments.payment_sent(PAYMENT.id, f"http://{n}", f"cs_{n}", NOW + 900, [FACT])
    )
    assert sum(sent) == 1
    assert (await payments.payment(PAYMENT.id)).url == f"http://{sent.index(True)}"
    assert await count(database, outbox_transaction) == 1


async def test_of_two_looks_that_overlap_only_the_newer_one_counts(payments, database):
    """Each found another arrival first, and would call it by the payment's own name."""
    await payments.open_payment(PAYMENT)
    old = await payments.claim_payment(PAYMENT, NOW + 60_000)
    (due,) = await payments.due_payments(NOW + 60_000, 10)
    new = await payments.claim_payment(due, NOW + 120_000)
    first, second = (Arrival(name, Money(5, "CNY"), PAYMENT.id) for name in ("t1", "t2"))
    cleared = replace(new, state="cleared", due_ms=NOW + 900_000)
    assert await payments.settle_payment(new, cleared, [first], [FACT])
    assert not await payments.settle_payment(old, replace(old, looks=1), [second], [FACT])
    assert await payments.arrivals(PAYMENT.id) == [first]
    row = await payments.payment(PAYMENT.id)
    assert (row.state, row.due_ms, row.looks) == ("cleared", NOW + 900_000, 0)


async def test_a_look_leaves_the_address_that_a_buyer_was_sent_to_meanwhile(payments):
    await payments.open_payment(PAYMENT)
    claimed = await payments.claim_payment(PAYMENT, NOW + 60_000)
    await payments.payment_sent(PAYMENT.id, "http://pay", "cs_1", NOW + 900, [FACT])
    assert await payments.settle_payment(claimed, replace(claimed, looks=1), (), ())
    row = await payments.payment(PAYMENT.id)
    assert (row.state, row.url, row.reference, row.due_ms) == ("pending", "http://pay", "cs_1", NOW + 900)


async def test_a_crowd_looks_at_a_payment_once(payments):
    await payments.open_payment(PAYMENT)
    (due,) = await payments.due_payments(NOW + 500, 10)
    claims = await at_once(lambda n: payments.claim_payment(due, NOW + 60_000 + n))
    assert len([claim for claim in claims if claim]) == 1


# --- callbacks -----------------------------------------------------------------------------------------


async def kept(callbacks, times):
    for _ in range(times):
        await callbacks.keep_callback("alipay", RawCallback(b"body", (), NOW))
    return await callbacks.waiting_callbacks(1000)


async def test_the_same_event_many_times_at_once_is_handled_once(callbacks, payments, database):
    await payments.open_payment(PAYMENT)
    stored = await kept(callbacks, CROWD)
    hint = Hint("payment", PAYMENT.id, "n1", "trade_1")
    ends = await at_once(lambda n: callbacks.finish_callback(stored[n], hint, NOW))
    assert sorted(ends) == ["done"] + ["repeat"] * (CROWD - 1)
    assert await payments.hinted(PAYMENT.id) == ["trade_1"]
    assert await count(database, callback, callback.c.event_key == "n1") == 1


async def test_one_callback_in_many_hands_is_handled_once_and_its_event_stays_known(callbacks, payments):
    await payments.open_payment(PAYMENT)
    (stored,) = await kept(callbacks, 1)
    hint = Hint("payment", PAYMENT.id, "n1")
    ends = await at_once(lambda _: callbacks.finish_callback(stored, hint, NOW))
    assert sorted(ends) == ["done"] + ["repeat"] * (CROWD - 1)
    (again,) = await kept(callbacks, 1)
    assert await callbacks.finish_callback(again, hint, NOW) == "repeat"


async def test_many_events_about_one_payment_at_once_all_count(callbacks, payments):
    await payments.open_payment(PAYMENT)
    stored = await kept(callbacks, CROWD)
    ends = await at_once(
        lambda n: callbacks.finish_callback(stored[n], Hint("payment", PAYMENT.id, f"n{n}", f"t{n:02}"), NOW)
    )
    assert set(ends) == {"done"}
    assert await payments.hinted(PAYMENT.id) == [f"t{n:02}" for n in range(CROWD)]


async def test_a_crowd_refuses_a_forgery_once(callbacks):
    stored = await callbacks.keep_callback("alipay", RawCallback(b"x", (), NOW))
    refused = await at_once(lambda n: callbacks.refuse_callback(stored, "BAD_SIGNATURE", NOW + n))
    assert sum(refused) == 1


async def test_a_flood_of_forgeries_leaves_a_bounded_sample(callbacks, database):
    async def forge(number):
        for _ in range(10):
            stored = await callbacks.keep_callback("alipay", RawCallback(b"x", (), NOW + number))
            await callbacks.refuse_callback(stored, "BAD_SIGNATURE", NOW + number)

    await at_once(forge)
    last = await callbacks.keep_callback("alipay", RawCallback(b"x", (), NOW))
    await callbacks.refuse_callback(last, "BAD_SIGNATURE", NOW)
    assert await count(database, callback) == SAMPLES_MAX


# --- orders --------------------------------------------------------------------------------------------


async def test_a_crowd_takes_an_order_once_and_the_place_never_goes_back(orders):
    taken = await at_once(lambda n: orders.take_order(Position(3, n), ORDER))
    assert sum(taken) == 1
    assert await orders.next_offset(3) == CROWD
    assert not await orders.take_order(Position(3, 2), ORDER)
    assert await orders.next_offset(3) == CROWD


async def test_a_crowd_that_wants_to_send_sends_once(orders, database):
    await orders.take_order(Position(0, 0), ORDER)
    sending = begin_sending(ORDER.machine, NOW, RULES)
    claims = await at_once(lambda _: orders.claim_order(ORDER, sending, b"request"))
    assert len([claim for claim in claims if claim]) == 1
    assert await count(database, outgoing_attempt) == 1


async def test_a_crowd_that_has_the_answer_tells_the_chain_once(orders, database):
    await orders.take_order(Position(0, 0), ORDER)
    claimed = await orders.claim_order(ORDER, begin_sending(ORDER.machine, NOW, RULES), b"request")
    outcome = Sent("ref1", b"raw")
    step = answered(claimed.machine, outcome, NOW + 1, RULES)
    saved = await at_once(lambda _: orders.save_order(claimed, step.machine, outcome, [FACT], NOW + 1))
    assert sum(saved) == 1
    assert await count(database, outbox_transaction) == 1


async def test_two_gateways_on_one_database_send_every_order_once(tmp_path, postgres_database):
    alipay = FakeProvider()
    providers = {"alipay": alipay}
    async with PaymentTown(tmp_path, providers, database_url=postgres_database) as town:
        made = [await town.payout_ordered(f"sale{number}") for number in range(6)]
        async with town.another():
            for order in made:
                await town.send_order(order)

            async def all_sent():
                return all([await town.order_is(order, "sent") for order in made])

            await town.until(all_sent)
    assert sorted(alipay.sendings) == sorted(order.id for order in made)


async def test_a_worker_that_stood_still_for_longer_than_its_lease_sends_nothing(tmp_path, database_url):
    alipay = FakeProvider()
    async with PaymentTown(tmp_path, {"alipay": alipay}, database_url=database_url) as town:
        order = await town.payout_ordered()

        def stand_still(step):
            if step == "order.sending" and not alipay.sendings:
                town.probe = lambda _: None
                town.clock.advance(alipay.rules.lease_ms)

        town.probe = stand_still
        await town.send_order(order)
        await town.until(lambda: town.order_is(order, "unknown"))
        assert alipay.sendings == []
        town.clock.advance(alipay.rules.settle_ms)
        await town.until(lambda: town.order_is(order, "sent"))
        assert alipay.sendings == [order.id]
