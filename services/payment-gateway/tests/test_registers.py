"""The registers on both databases: every method is one transaction, every change of hands is a comparison."""

import asyncio

import pytest
from msgspec.structs import replace
from sqlalchemy import func, select

from payment_gateway.adapters.callbacks_register import (
    SAMPLE_AGE_MS,
    SAMPLE_BYTES,
    SAMPLES_MAX,
    SqlCallbackRegister,
)
from payment_gateway.adapters.orders_register import REFUSED_MAX, SqlOrderRegister
from payment_gateway.adapters.payments_register import SqlPaymentRegister
from payment_gateway.adapters.tables import callback, metadata, outgoing_attempt, refused_order
from payment_gateway.application.ports import Hint, RawCallback
from payment_gateway.application.register import Beneficiary, OrderRow, PaymentRow, Position
from payment_gateway.core.outcome import Sent
from payment_gateway.core.payment import Arrival, pending_fact
from payment_gateway.core.payout import Machine, Rules, answered, begin_sending
from sps.money import Money
from sps.runtime.clock import ManualClock
from sps.runtime.database import Database
from sps.runtime.migrations import round_trip, upgrade
from sps.runtime.outbox import TransactionOutbox
from sps.runtime.tables import outbox_transaction

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
    opened = Database(database_url)
    yield opened
    await opened.stop()


@pytest.fixture
def outbox():
    return TransactionOutbox(3, ManualClock(NOW))


@pytest.fixture
def payments(database, outbox):
    return SqlPaymentRegister(database, outbox)


@pytest.fixture
def orders(database, outbox):
    return SqlOrderRegister(database, outbox)


@pytest.fixture
def callbacks(database):
    return SqlCallbackRegister(database)


async def count(database, table, *where):
    async with database.reading() as connection:
        return await connection.scalar(select(func.count()).select_from(table).where(*where))


async def test_the_migrations_make_exactly_these_tables(database_url):
    await round_trip(database_url, "payment_gateway", metadata)


async def test_at_most_one_payment_is_open_for_a_contract_provider_and_amount(payments):
    second = replace(PAYMENT, id="pay_01jd0000000000000000000001")
    assert await payments.open_payment(PAYMENT) == PAYMENT
    assert await payments.open_payment(second) == PAYMENT
    other = replace(second, amount=Money(1, "CNY"))
    assert await payments.open_payment(other) == other
    await payments.settle_payment(PAYMENT, replace(PAYMENT, state="failed"), (), ())
    third = replace(PAYMENT, id="pay_01jd0000000000000000000002")
    assert await payments.open_payment(third) == third


async def test_a_page_that_has_expired_makes_room_and_is_still_looked_at(payments):
    await payments.open_payment(PAYMENT)
    later = replace(PAYMENT, id="pay_01jd0000000000000000000001", created_ms=PAYMENT.expires_ms)
    assert await payments.open_payment(later) == later
    await payments.settle_payment(PAYMENT, replace(PAYMENT, looks=1), (), ())
    assert (await payments.payment(PAYMENT.id)).looks == 1
    assert [row.id for row in await payments.due_payments(NOW + 500, 10)] == [PAYMENT.id, later.id]


async def test_ten_at_once_open_one_payment(payments):
    wishes = [replace(PAYMENT, id=f"pay_{number}") for number in range(10)]
    opened = await asyncio.gather(*(payments.open_payment(wish) for wish in wishes))
    assert len({row.id for row in opened}) == 1


async def test_a_buyer_is_sent_once_and_the_chain_is_told_with_it(payments, database):
    await payments.open_payment(PAYMENT)
    for url in ("http://first", "http://second"):
        await payments.payment_sent(PAYMENT.id, url, "cs_1", NOW + 900, [FACT])
    row = await payments.payment(PAYMENT.id)
    assert (row.state, row.url, row.due_ms) == ("pending", "http://first", NOW + 900)
    assert await count(database, outbox_transaction) == 1


async def test_a_payment_is_claimed_by_one(payments):
    await payments.open_payment(PAYMENT)
    (due,) = await payments.due_payments(NOW + 500, 10)
    claims = await asyncio.gather(*(payments.claim_payment(due, NOW + 60_000) for _ in range(5)))
    assert len([claim for claim in claims if claim]) == 1
    assert await payments.due_payments(NOW + 500, 10) == []


async def test_a_hint_that_comes_during_a_look_keeps_the_payment_due(payments, callbacks):
    await payments.open_payment(PAYMENT)
    claimed = await payments.claim_payment(PAYMENT, NOW + 60_000)
    stored = await store(callbacks)
    assert await callbacks.finish_callback(stored, Hint("payment", PAYMENT.id, "n1"), NOW + 600) == "done"
    await payments.settle_payment(claimed, replace(claimed, due_ms=NOW + 900_000, looks=1), (), ())
    row = await payments.payment(PAYMENT.id)
    assert (row.due_ms, row.looks) == (NOW + 600, 1)


async def test_money_arrives_once_for_a_providers_number(payments):
    await payments.open_payment(PAYMENT)
    cleared = replace(PAYMENT, state="cleared")
    first, second = (Arrival(name, Money(5, "USD"), f"pay_{name}", True) for name in ("t1", "t2"))
    for arrivals in ([first], [first, second], [replace(first, fee_open=False)]):
        await payments.settle_payment(PAYMENT, cleared, arrivals, ())
    assert await payments.arrivals(PAYMENT.id) == [replace(first, fee_open=False), second]


async def test_numbers_that_callbacks_name_are_asked_for_until_they_arrive(payments, callbacks):
    await payments.open_payment(PAYMENT)
    for event, reference in (("n1", "t1"), ("n2", "t2"), ("n3", "t2"), ("n4", "bad\nname"), ("n5", "")):
        hint = Hint("payment", PAYMENT.id, event, reference)
        assert await callbacks.finish_callback(await store(callbacks), hint, NOW) == "done"
    assert await payments.hinted(PAYMENT.id) == ["t1", "t2"]
    arrival = Arrival("t1", Money(5, "CNY"), PAYMENT.id)
    await payments.settle_payment(PAYMENT, PAYMENT, [arrival], ())
    assert await payments.hinted(PAYMENT.id) == ["t2"]


async def test_a_beneficiary_is_kept(payments):
    beneficiary = Beneficiary("ab" * 32, "alipay", "2088", "Alice", bytes(32))
    await payments.keep_beneficiary(beneficiary, NOW)
    assert await payments.beneficiary("ab" * 32) == beneficiary
    assert await payments.beneficiary("cd" * 32) is None


async def store(callbacks, body=b"body", provider="alipay", at=NOW):
    number = await callbacks.keep_callback(provider, RawCallback(body, (("a", "1"), ("a", "2")), at))
    return next(one for one in await callbacks.waiting_callbacks(1000) if one.id == number)


async def test_a_callback_is_kept_as_it_came(callbacks):
    stored = await store(callbacks, b"\x00\xff")
    assert stored.callback == RawCallback(b"\x00\xff", (("a", "1"), ("a", "2")), NOW)


async def test_the_same_event_is_handled_once_for_ever(callbacks, payments):
    await payments.open_payment(PAYMENT)
    hint = Hint("payment", PAYMENT.id, "n1")
    ends = [await callbacks.finish_callback(await store(callbacks), hint, NOW) for _ in range(3)]
    assert ends == ["done", "repeat", "repeat"]
    other = await store(callbacks, provider="stripe")
    assert await callbacks.finish_callback(other, hint, NOW) == "unknown"
    assert await callbacks.waiting_callbacks(10) == []


async def test_of_refused_callbacks_a_bounded_sample_is_kept(callbacks, database):
    for number in range(SAMPLES_MAX + 5):
        stored = await callbacks.keep_callback("alipay", RawCallback(b"x" * 5000, (), NOW + number))
        await callbacks.refuse_callback(stored, "BAD_SIGNATURE", NOW + number)
    assert await count(database, callback) == SAMPLES_MAX
    assert await count(database, callback, func.length(callback.c.body) > SAMPLE_BYTES) == 0
    late = await callbacks.keep_callback("alipay", RawCallback(b"x", (), NOW + 2 * SAMPLE_AGE_MS))
    await callbacks.refuse_callback(late, "STALE", NOW + 2 * SAMPLE_AGE_MS)
    assert await count(database, callback) == 1


async def test_a_callback_with_a_verdict_is_not_refused_afterwards(callbacks, payments, database):
    await payments.open_payment(PAYMENT)
    stored = await store(callbacks)
    await callbacks.finish_callback(stored, Hint("payment", PAYMENT.id, "n1"), NOW)
    assert not await callbacks.refuse_callback(stored.id, "STALE", NOW)
    assert await count(database, callback, callback.c.verdict == "done") == 1


async def test_a_hint_never_makes_a_sending_due(callbacks, orders):
    await orders.take_order(Position(0, 0), replace(ORDER, machine=Machine(due_ms=NOW + 1000)))
    stored = await store(callbacks)
    assert await callbacks.finish_callback(stored, Hint("order", ORDER.id, "n1"), NOW) == "done"
    assert (await orders.order(ORDER.id)).machine.due_ms == NOW + 1000


async def test_an_order_is_taken_once_and_its_position_noted(orders):
    assert await orders.next_offset(4) == 0
    assert await orders.take_order(Position(4, 7), ORDER)
    assert not await orders.take_order(Position(4, 8), ORDER)
    assert not await orders.take_order(Position(4, 9), None)
    assert (await orders.next_offset(4), await orders.next_offset(5)) == (10, 0)
    assert await orders.order(ORDER.id) == ORDER


async def test_refused_records_are_bounded(orders, database):
    for number in range(3):
        await orders.refuse_order(Position(1, number), "BAD_ORDER", b"r" * 10_000, NOW)
    assert await orders.next_offset(1) == 3
    assert await count(database, refused_order) == 3
    assert await count(database, refused_order, func.length(refused_order.c.record) > 4096) == 0
    assert REFUSED_MAX > 3


async def test_an_order_is_claimed_by_one_worker(orders, database):
    await orders.take_order(Position(0, 0), ORDER)
    (due,) = await orders.due_orders(NOW, 10, ())
    sending = begin_sending(due.machine, NOW, RULES)
    claims = await asyncio.gather(*(orders.claim_order(due, sending, b"request") for _ in range(5)))
    assert len([claim for claim in claims if claim]) == 1
    assert await count(database, outgoing_attempt) == 1
    assert await orders.due_orders(NOW, 10, ()) == []


async def test_an_answer_is_written_with_its_fact_and_under_its_own_fence_only(orders, database):
    await orders.take_order(Position(0, 0), ORDER)
    claimed = await orders.claim_order(ORDER, begin_sending(ORDER.machine, NOW, RULES), b"request")
    outcome = Sent("ref1", b"raw")
    step = answered(claimed.machine, outcome, NOW + 1, RULES)
    stale = replace(claimed, machine=replace(claimed.machine, fence=99))
    assert not await orders.save_order(stale, step.machine, outcome, [FACT], NOW + 1)
    assert await count(database, outbox_transaction) == 0
    assert await orders.save_order(claimed, step.machine, outcome, [FACT], NOW + 1)
    assert not await orders.save_order(claimed, step.machine, outcome, [FACT], NOW + 1)
    assert await count(database, outbox_transaction) == 1
    assert await count(database, outgoing_attempt, outgoing_attempt.c.result == "sent") == 1
    assert (await orders.order(ORDER.id)).machine == step.machine


async def test_orders_of_a_stopped_provider_are_only_looked_up(orders):
    await orders.take_order(Position(0, 0), ORDER)
    other = replace(ORDER, id="pyo_2", machine=Machine(state="unknown", due_ms=NOW))
    await orders.take_order(Position(0, 1), other)
    assert [row.id for row in await orders.due_orders(NOW, 10, {"alipay"})] == ["pyo_2"]


async def test_what_is_over_is_never_due(orders):
    for number, state in enumerate(("rejected", "returned")):
        row = replace(ORDER, id=f"pyo_{number}", machine=Machine(state=state, due_ms=0))
        await orders.take_order(Position(0, number), row)
    assert await orders.due_orders(NOW, 10, ()) == []
