"""The event log in the hands of an attacker, over the real adapters: delay and alarms, never a wrong state.

The attacker may do everything on the broker and holds no key of ours, except where a test says so. Whatever
it does, four validators and a settlement service end where the honest chain ends: one state, exact books,
each fact of the honest producers once, and nothing else.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import middleman
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from attacker import LANES, VALIDATORS, Attacker, allocation_bombs, large_garbage
from chain_kit import API, PAYMENT, SETTLEMENT, signer
from chain_world import Deal
from hostile_town import IDS, HostileTown, settle_quickly
from little_chain import LittleChain
from middleman import Middleman, Mischief
from msgspec.structs import replace
from payment_gateway_fakes import FakeProvider
from payment_gateway_town import PaymentTown

from sps.chain.batch import encode_batch
from sps.eventlog.address import KAFKA, open_log, read_address
from sps.eventlog.kafka_topics import apply
from sps.eventlog.port import EventLog
from sps.eventlog.topics import BLOCKS, CONSENSUS, TOPICS, TRANSACTIONS
from sps.transactions.orders import Order, seal_order
from sps.transactions.values import WireMoney

on_both_logs = pytest.mark.parametrize("address", ["kafka", "embedded"], indirect=True)


@pytest.fixture
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a log of its own: on a real broker, unless the embedded one is asked for."""
    if getattr(request, "param", "kafka") == "embedded":
        return f"sqlite:///{tmp_path / 'log.sqlite'}"
    server, prefix = request.getfixturevalue("kafka_server"), request.getfixturevalue("kafka_prefix")
    return f"kafka://{server.address}?prefix={prefix}"


@pytest.fixture
async def log(address: str) -> AsyncIterator[EventLog]:
    if address.startswith(KAFKA):
        await apply(address, replication=1)
    made = open_log(address)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def town(tmp_path: Path, log: EventLog, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HostileTown]:
    settle_quickly(monkeypatch)
    made = HostileTown(tmp_path / "town", log)
    yield made
    await made.close()


@pytest.fixture
def attacker(town: HostileTown) -> Attacker:
    return Attacker(town)


@pytest.fixture
async def another_handle(address: str, log: EventLog) -> AsyncIterator[EventLog]:
    """Of a process that has not read anything yet; `log` has made the topics."""
    made = open_log(address)
    await made.start()
    yield made
    await made.stop()


async def test_records_that_go_before_somebody_has_read_them_come_from_the_validators(
    town: HostileTown, attacker: Attacker, another_handle: EventLog
) -> None:
    await town.open(0, 1, 2)
    await town.tell("before")
    await attacker.forget_everything()
    town.readers = {"3": another_handle, "settlement": another_handle}
    await town.join(3)
    await town.settlement()
    await town.tell("after")
    await town.check()
    assert town.count("sps_follower_fetched_total", what="block") > 0
    assert town.count("sps_consensus_fetched_total", what="block") > 0


@on_both_logs
async def test_every_record_again_and_again_in_any_order_changes_nothing(
    town: HostileTown, attacker: Attacker
) -> None:
    await town.open()
    await town.tell("first")
    await attacker.repeat_everything(3)
    await town.settlement()
    await town.tell("second")
    await town.check()


@pytest.mark.parametrize(
    "mischief",
    [middleman.delays_and_reorders, middleman.drops, middleman.cuts, middleman.flips_bits, middleman.moves],
    ids=lambda each: each.__name__,
)
async def test_readers_who_are_shown_another_log_each_agree_when_it_stops(
    town: HostileTown, log: EventLog, mischief: Mischief
) -> None:
    men = {
        name: Middleman(log, mischief, seed) for seed, name in enumerate(["0", "1", "2", "3", "settlement"])
    }
    town.readers.update(men)
    await town.open()
    await town.tell("under attack")
    for man in men.values():
        man.mischief = None
    await town.tell("afterwards")
    await town.check()


@on_both_logs
async def test_halves_of_records_are_refused_and_counted(town: HostileTown, attacker: Attacker) -> None:
    await town.open()
    await town.tell("first")
    await attacker.cut_halves()
    await town.settlement()
    await town.tell("second")
    await town.check()
    for what in ("block", "batch", "message"):
        assert town.count("sps_consensus_refused_total", what=what) > 0
    assert town.count("sps_follower_refused_total", what="block") > 0


async def test_topics_that_are_deleted_and_made_anew_lose_nothing_but_time(
    town: HostileTown, address: str
) -> None:
    await town.open()
    await town.tell("before")
    await delete_topics(address)
    await apply(address, replication=1)
    await town.tell("after")
    await town.settlement()
    await town.check()


async def test_blocks_that_no_quorum_finalized_count_for_nothing(
    town: HostileTown, attacker: Attacker
) -> None:
    await town.open()
    await town.tell("first")
    lane = BLOCKS, 0
    forged = await attacker.invent(lane, attacker.forged_blocks(6) + attacker.blocks_of_another_chain(5))
    await attacker.invent(lane, attacker.bent_blocks())
    await town.settlement()
    await town.tell("second")
    await town.check()
    assert town.count("sps_follower_refused_total", what="block") >= forged


async def test_batches_that_their_producer_did_not_sign_count_for_nothing(
    town: HostileTown, attacker: Attacker
) -> None:
    await town.open()
    await town.tell("first")
    for number in range(TOPICS[TRANSACTIONS].partitions):
        await attacker.invent((TRANSACTIONS, number), attacker.forged_batches())
    await town.settlement()
    await town.tell("second")
    await town.check()
    assert town.count("sps_consensus_refused_total", what="batch") > 0


async def test_two_batches_under_one_number_are_seen_and_one_counts(
    town: HostileTown, attacker: Attacker
) -> None:
    """Here somebody holds the key of a producer."""
    await town.open()
    await town.tell("first")
    twin = attacker.twin_of_the_next()
    await attacker.invent((TRANSACTIONS, IDS[API]), [encode_batch(twin)])
    await town.say(API, Deal("second").offer())
    await attacker.invent((TRANSACTIONS, IDS[API]), [encode_batch(attacker.twin_of(town.said[0]))])
    await town.settled()
    town.said[-1:] = [each for each in (twin, town.said[-1]) if town.is_in_a_block(each)]
    await town.settlement()
    await town.check()
    assert town.count("sps_consensus_evidence_total", kind="E4") >= 2 * VALIDATORS


async def test_votes_in_the_name_of_others_decide_nothing(town: HostileTown, attacker: Attacker) -> None:
    await town.open()
    await town.tell("first")
    await attacker.invent((CONSENSUS, 0), attacker.forged_messages(12))
    await town.tell("second")
    await town.check()
    assert sum(town.count("sps_consensus_faults_total", validator=str(index)) for index in range(4)) > 0


@on_both_logs
async def test_garbage_and_bombs_of_any_size_are_passed_over(town: HostileTown, attacker: Attacker) -> None:
    await town.open()
    await town.tell("first")
    for lane in LANES:
        await attacker.invent(lane, allocation_bombs())
    for lane in ((TRANSACTIONS, IDS[API]), (CONSENSUS, 0), (BLOCKS, 0)):
        await attacker.invent(lane, large_garbage())
    await town.settlement()
    await town.tell("second")
    await town.check()


async def test_true_blocks_of_the_future_and_of_the_past_change_nothing(
    town: HostileTown, attacker: Attacker
) -> None:
    """A reader whose log begins with the newest blocks, the oldest again and again between them."""
    await town.open()
    await town.tell("first")
    records = (await attacker.records())[BLOCKS, 0]
    await attacker.forget_everything()
    mixed = [
        each
        for pair in zip(reversed(records), records, strict=True)
        for each in (pair[0], records[0], pair[1])
    ]
    await attacker.append((BLOCKS, 0), mixed)
    await town.settlement()
    await town.tell("second")
    await town.check()


async def test_orders_that_settlement_did_not_sign_are_never_paid(tmp_path: Path, address: str) -> None:
    await apply(address, replication=1)
    alipay = FakeProvider()
    town = PaymentTown(tmp_path, {"alipay": alipay})
    town.log = open_log(address)
    town.chain = LittleChain(town.log)
    async with town:
        order = await town.payout_ordered()
        forged = forged_orders(order, town.chain.kit.chain_id)
        for record in forged:
            await town.send_record(order.id, record)
        await town.until(lambda: has_refused(town, len(forged)))
        assert alipay.deeds == []
        true = seal_order(order, signer(SETTLEMENT), town.chain.kit.chain_id)
        for record in [true, *forged, true, true[:-1], true]:
            await town.send_record(order.id, record)
        await town.next_block()
        await town.until(lambda: has_refused(town, 2 * len(forged) + 1))
        assert [(deed.kind, deed.id, deed.amount) for deed in alipay.deeds] == [
            ("payout", order.id, order.amount.money)
        ]
        assert town.payout_state(order) == "paid"


async def has_refused(town: PaymentTown, records: int) -> bool:
    return town.count("sps_orders_refused_total") == records


def forged_orders(order: Order, chain: bytes) -> list[bytes]:
    """Of an order that is due: what somebody without settlement's key may write."""
    double = replace(order, amount=WireMoney(order.amount.currency, str(2 * int(order.amount.minor))))
    true = seal_order(order, signer(SETTLEMENT), chain)
    return [
        b"",
        b"{}",
        b"\x00" * 300,
        true[:-2],
        true.replace(b'"payout"', b'"refund"'),
        true.replace(order.amount.minor.encode(), double.amount.minor.encode()),
        seal_order(order, signer("thief"), chain),
        seal_order(order, signer(PAYMENT), chain),
        seal_order(double, signer("operator"), chain),
        seal_order(order, signer(SETTLEMENT), bytes(32)),
        b" " * 500_000,
    ]


async def delete_topics(address: str) -> None:
    """As an administrator of the broker."""
    place = read_address(address)
    admin = AIOKafkaAdminClient(bootstrap_servers=list(place.servers))
    await admin.start()
    try:
        await admin.delete_topics([place.prefix + topic for topic in TOPICS])
    finally:
        await admin.close()
