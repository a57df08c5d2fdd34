"""Outgoing money through the real bootstrap: no crash and no lost answer pays twice."""

import shutil

import pytest
from msgspec.structs import replace
from payment_gateway_fakes import FakeProvider
from payment_gateway_town import PaymentTown

from payment_gateway.application.register import Position
from payment_gateway.core.outcome import Accepted, Rejected, Returned, Sent
from sps.eventlog.topics import PAYOUTS, TOPICS
from sps.money import Money
from sps.transactions.orders import order_partition
from sps.transactions.values import WireMoney

HOUR_MS = 3_600_000


@pytest.fixture
def alipay():
    return FakeProvider()


@pytest.fixture
async def town(tmp_path, alipay, database_url):
    async with PaymentTown(tmp_path, {"alipay": alipay}, database_url=database_url) as built:
        yield built


def crash_once_at(wanted):
    left = [wanted]

    def probe(step):
        if left and step == left[0]:
            left.clear()
            raise RuntimeError(step)

    return probe


async def test_a_payout_is_paid_and_the_chain_told(town, alipay):
    order = await town.payout_ordered()
    await town.send_order(order)
    await town.next_block()
    assert town.payout_state(order) == "paid"
    assert [(deed.kind, deed.id, deed.amount) for deed in alipay.deeds] == [
        ("payout", order.id, order.amount.money)
    ]
    assert alipay.deeds[0].account == "2088000000000009"
    assert town.chain.state.payouts[order.id].reference == f"ref_{order.id}"


async def test_a_refund_goes_back_on_the_rail_it_came(town, alipay):
    order = await town.refund_ordered()
    await town.send_order(order)
    await town.next_block()
    contract = next(iter(town.chain.state.contracts.values()))
    assert contract.refunds[0].state == "paid"
    assert [(deed.kind, deed.payment) for deed in alipay.deeds] == [("refund", order.payment)]


async def test_the_same_order_many_times_is_one_payment(town, alipay):
    order = await town.payout_ordered()
    for _ in range(3):
        await town.send_order(order)
    await town.next_block()
    await town.send_order(replace(order, index=9))
    await town.until(lambda: read_to_the_end(town, order))
    assert len(alipay.deeds) == 1
    assert town.kinds().count("payout.paid.v1") == 1


async def read_to_the_end(town, order):
    from sps.eventlog.topics import PAYOUTS
    from sps.transactions.orders import order_partition

    partition = order_partition(order.id, 12)
    _, end = await town.log.bounds(PAYOUTS, partition)
    return await town.gateway.orders.next_offset(partition) == end


@pytest.mark.parametrize(
    "bend",
    [
        lambda order: replace(order, amount=WireMoney("CNY", "1")),
        lambda order: replace(order, amount=WireMoney("USD", order.amount.minor)),
        lambda order: replace(order, beneficiary="ab" * 32),
        lambda order: replace(order, provider="stripe"),
        lambda order: replace(order, id="pyo_7zzzzzzzzzzzzzzzzzzzzzzzzz"),
        lambda order: replace(
            order,
            kind="refund",
            id="rfd_7zzzzzzzzzzzzzzzzzzzzzzzzz",
            beneficiary=None,
            payment="pay_7zzzzzzzzzzzzzzzzzzzzzzzzz",
        ),
    ],
)
async def test_an_order_that_the_chain_did_not_give_is_refused(town, alipay, bend):
    order = bend(await town.payout_ordered())
    await town.send_order(order)
    await town.until(lambda: read_to_the_end(town, order))
    assert alipay.deeds == []
    assert town.count("sps_orders_refused_total") == 1


async def test_an_order_that_settlement_did_not_sign_is_refused(town, alipay):
    order = await town.payout_ordered()
    await town.send_order(order, by="operator")
    await town.send_record(order.id, b"rubbish")
    await town.until(lambda: read_to_the_end(town, order))
    assert alipay.deeds == []
    assert town.count("sps_orders_refused_total") == 2


async def test_an_answer_that_is_lost_is_looked_up_and_never_sent_again(town, alipay):
    alipay.lose_answers = 1
    order = await town.payout_ordered()
    await town.send_order(order)
    await town.until(lambda: town.order_is(order, "unknown"))
    town.clock.advance(HOUR_MS)
    await town.next_block()
    assert town.payout_state(order) == "paid"
    assert len(alipay.deeds) == 1


@pytest.mark.parametrize("step", ["order.sending", "order.answered", "order.saved"])
async def test_a_crash_at_any_step_pays_once(town, alipay, step):
    order = await town.payout_ordered()
    town.probe = crash_once_at(step)
    await town.send_order(order)
    await town.gateway.failed()
    await town.down()
    await town.up()
    for _ in range(4):
        town.clock.advance(HOUR_MS)
        if await town.order_is(order, "sent"):
            break
        await town.until(lambda: town.order_is(order, "sent", "unknown", "ordered"))
    await town.until(lambda: town.order_is(order, "sent"))
    if town.payout_state(order) != "paid":
        await town.next_block()
    assert town.payout_state(order) == "paid"
    assert len(alipay.deeds) == 1


async def test_an_order_that_the_provider_never_got_is_sent_again_with_the_same_number(town, alipay):
    order = await town.payout_ordered()
    town.probe = crash_once_at("order.sending")
    await town.send_order(order)
    await town.gateway.failed()
    await town.down()
    await town.up()
    town.clock.advance(HOUR_MS)
    await town.next_block()
    row = await town.gateway.orders.order(order.id)
    assert (row.machine.attempt, row.machine.state) == (2, "sent")
    assert len(alipay.deeds) == 1


async def test_a_register_that_was_lost_looks_before_it_sends(town, alipay):
    order = await town.payout_ordered()
    alipay.known[order.id] = Sent("ref_before", b"paid")
    town.clock.advance(HOUR_MS)
    await town.send_order(order)
    await town.next_block()
    assert town.payout_state(order) == "paid"
    assert alipay.deeds == []


async def test_a_refused_payout_is_the_sellers_again(town, alipay):
    alipay.refuse = Rejected("payee_not_exist")
    order = await town.payout_ordered()
    await town.send_order(order)
    await town.next_block()
    payout = town.chain.state.payouts[order.id]
    assert (payout.state, payout.reason) == ("failed", "payee_not_exist")


async def test_a_payout_to_an_account_that_was_erased_fails(town, alipay):
    order = await town.payout_ordered(beneficiary="ab" * 32)
    await town.send_order(order)
    await town.next_block()
    payout = town.chain.state.payouts[order.id]
    assert (payout.state, payout.reason) == ("failed", "unknown_beneficiary")
    assert alipay.deeds == []


async def test_a_payout_under_way_is_asked_for_until_it_is_paid(town, alipay):
    alipay.refuse = Accepted("ref_later", b"dealing")
    order = await town.payout_ordered()
    await town.send_order(order)
    await town.until(lambda: town.order_is(order, "accepted"))
    alipay.known[order.id] = Sent("ref_later", b"paid")
    await town.call_back("evt-out", "order", order.id)
    await town.next_block()
    assert town.payout_state(order) == "paid"


async def test_a_payout_that_comes_back_after_it_was_paid_is_returned_once(town, alipay):
    order = await town.payout_ordered()
    await town.send_order(order)
    await town.next_block()
    alipay.known[order.id] = Returned("bank_bounce", Money(order.amount.money.minor - 100, "CNY"))
    await town.call_back("evt-back", "order", order.id)
    await town.next_block()
    assert town.payout_state(order) == "returned"
    alipay.known[order.id] = Sent("ref", b"again")
    await town.call_back("evt-again", "order", order.id)
    await town.followed()
    assert town.kinds().count("payout.returned.v1") == 1


async def test_an_outcome_that_stays_unknown_goes_to_a_person(town, alipay):
    alipay.lose_answers = 1
    alipay.down = False
    order = await town.payout_ordered()
    await town.send_order(order)
    await town.until(lambda: town.order_is(order, "unknown"))
    alipay.down = True
    town.clock.advance(25 * HOUR_MS)
    await town.next_block()
    assert town.payout_state(order) == "manual"
    alipay.down = False
    town.clock.advance(2 * HOUR_MS)
    await town.next_block()
    assert town.payout_state(order) == "paid"
    assert len(alipay.deeds) == 1


async def test_a_stopped_provider_sends_nothing(tmp_path, alipay):
    async with PaymentTown(tmp_path, {"alipay": alipay}, stopped_providers=("alipay",)) as town:
        order = await town.payout_ordered()
        await town.send_order(order)
        await town.until(lambda: town.order_is(order, "ordered"))
        await town.gateway.carry_out.round()
        assert alipay.deeds == []


async def test_a_worker_whose_lease_has_passed_on_writes_nothing(town, alipay):
    order = await town.payout_ordered()

    async def be_slow():
        row = await town.gateway.orders.order(order.id)
        town.clock.advance(HOUR_MS)
        other = replace(row.machine, state="unknown", fence=row.machine.fence + 1)
        await town.gateway.orders.claim_order(row, other, None)
        alipay.before_answer = None

    alipay.before_answer = be_slow
    await town.send_order(order)
    await town.next_block()
    assert town.count("sps_order_answers_void_total") == 1
    assert town.payout_state(order) == "paid"
    assert len(alipay.deeds) == 1


async def paid_and_put_back(town, order, alipay, *, chain_knows):
    await town.until(lambda: town.order_is(order, "sent"))
    if chain_knows:
        await town.next_block()
    await town.down()
    for name in ("gateway.db-wal", "gateway.db-shm"):
        (town.folder / name).unlink(missing_ok=True)
    shutil.copy(town.folder / "backup.db", town.folder / "gateway.db")
    town.clock.advance(25 * HOUR_MS)
    await town.up()


@pytest.mark.parametrize("chain_knows", [True, False])
async def test_a_restored_register_does_not_pay_what_was_paid_since(tmp_path, alipay, chain_knows):
    settings = {"stopped_providers": ("alipay",)}
    async with PaymentTown(tmp_path, {"alipay": alipay}, **settings) as town:
        order = await town.payout_ordered()
        await town.send_order(order)
        await town.until(lambda: town.order_is(order, "ordered"))
        await town.down()
        shutil.copy(tmp_path / "gateway.db", tmp_path / "backup.db")
        town._settings.clear()
        await town.up()
        await paid_and_put_back(town, order, alipay, chain_knows=chain_knows)
        await town.until(lambda: town.order_is(order, "sent"))
        assert alipay.sendings == [order.id]
        if not chain_knows:
            await town.next_block()
        assert town.payout_state(order) == "paid"


async def test_orders_of_a_log_that_is_shorter_than_ours_was_are_taken(town, alipay):
    order = await town.payout_ordered()
    partition = order_partition(order.id, TOPICS[PAYOUTS].partitions)
    await town.gateway.orders.refuse_order(Position(partition, 40), "BAD_ORDER", b"", 0)
    await town.down()
    await town.up()
    await town.send_order(order)
    await town.next_block()
    assert town.payout_state(order) == "paid"
