"""The parts of the shell alone: intake of batches, identity, inbox, clock."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from chain_kit import API, ChainKit, signer
from prometheus_client import CollectorRegistry

from consensus_node.adapters.batch_store import BatchStore
from consensus_node.adapters.disk import DiskThread
from consensus_node.application import intake as intake_module
from consensus_node.application.identity import Identity, TwinFound
from consensus_node.application.inbox import GROUP_MAX, INPUTS_MAX, Inbox, SteadyClock
from consensus_node.application.intake import AHEAD_MAX, Intake
from consensus_node.application.listening import Listening
from consensus_node.core.batches import ALTERNATIVES_MAX, WINDOW
from consensus_node.core.durable import Finalized, VoteCast
from consensus_node.core.inputs import BatchStored, Tick
from consensus_node.core.messages import Votes
from consensus_node.metrics import NodeMetrics
from sps.chain.batch import Batch, digest, encode_batch, seal
from sps.chain.header import ref_of
from sps.chain.vote import Vote, VoteKind, sign_vote
from sps.runtime.clock import ManualClock


class Shop:
    """An intake with a real store, and what it told the replica."""

    def __init__(self, folder: Path, kit: ChainKit) -> None:
        self.kit = kit
        self.disk = DiskThread("test")
        self.store = BatchStore(folder / "batches", kit.chain_id)
        self.store.open(self.disk)
        self.inbox = Inbox()
        self.metrics = NodeMetrics(CollectorRegistry())
        keys = {producer.id: producer.key for producer in kit.genesis.producers}
        self.intake = Intake(
            kit.chain_id, keys, self.store, self.inbox, SteadyClock(ManualClock()), self.metrics
        )

    async def told(self) -> list[int]:
        """Sequence numbers of the batches that the replica was told of since the last look."""
        found: list[int] = []
        while len(self.inbox):
            found += [item.ref.seq for item in await self.inbox.take() if isinstance(item, BatchStored)]
        return found

    def evidence(self) -> float:
        return self.metrics.registry.get_sample_value("sps_consensus_evidence_total", {"kind": "E4"}) or 0

    def refused(self) -> float:
        return self.metrics.registry.get_sample_value("sps_consensus_refused_total", {"what": "batch"}) or 0


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    made = Shop(tmp_path, ChainKit())
    yield made
    made.store.close()
    await made.disk.stop()


def batches(kit: ChainKit, count: int) -> list[Batch]:
    return [kit.batch(API, [b"%d" % number]) for number in range(count)]


async def test_a_good_batch_is_stored_once_and_told(shop: Shop) -> None:
    (made,) = batches(shop.kit, 1)
    await shop.intake.accept([encode_batch(made)] * 3)
    await shop.intake.accept([encode_batch(made)])
    assert shop.store.batch(digest(made.header)) == made
    assert set(await shop.told()) == {1}
    assert len(shop.store) == 1


async def test_what_does_not_check_is_counted_and_not_stored(shop: Shop) -> None:
    made = shop.kit.batch(API, [b"1"])
    stranger = seal(signer("stranger"), shop.kit.chain_id, 99, 1, bytes(32), [b"1"], 0)
    stolen = seal(signer("stranger"), shop.kit.chain_id, 1, 1, bytes(32), [b"2"], 0)
    other_chain = seal(signer(API), bytes(32), 1, 1, bytes(32), [b"3"], 0)
    changed = msgspec.structs.replace(made, payload=made.payload[:-1] + b"9")
    bad = [encode_batch(batch) for batch in (stranger, stolen, other_chain, changed)]
    await shop.intake.accept([*bad, b"", b"garbage", encode_batch(made)[:-1]])
    assert shop.refused() == 7
    assert len(shop.store) == 0
    assert await shop.told() == []


async def test_batches_beyond_the_window_wait_in_the_store_until_it_moves(shop: Shop) -> None:
    made = batches(shop.kit, WINDOW + 5)
    await shop.intake.accept([encode_batch(batch) for batch in made])
    assert len(shop.store) == WINDOW + 5
    assert await shop.told() == list(range(1, WINDOW + 1))
    shop.intake.ordered([ref_of(batch.header) for batch in made[:3]])
    assert await shop.told() == [WINDOW + 1, WINDOW + 2, WINDOW + 3]


async def test_a_batch_far_beyond_the_window_is_ignored_unless_wanted(shop: Shop) -> None:
    far = seal(signer(API), shop.kit.chain_id, 1, AHEAD_MAX + 1, b"\x01" * 32, [b"1"], 0)
    await shop.intake.accept([encode_batch(far)])
    assert len(shop.store) == 0
    shop.intake.want([ref_of(far.header)])
    await shop.intake.accept([encode_batch(far)])
    assert await shop.told() == [AHEAD_MAX + 1]
    assert not shop.intake.wanted


async def test_batches_that_nobody_has_do_not_crowd_out_one_that_is_missing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A leader names what does not exist, again and again."""
    monkeypatch.setattr(intake_module, "WANTED_MAX", 8)
    made = shop.kit.batch(API, [b"1"])
    invented = [msgspec.structs.replace(ref_of(made.header), digest=bytes([n]) * 32) for n in range(20)]
    shop.intake.want(invented[:10])
    shop.intake.want([ref_of(made.header)])
    shop.intake.want(invented[10:15])
    shop.intake.want([ref_of(made.header)])
    assert len(shop.intake.wanted) == 8
    assert next(reversed(shop.intake.wanted)) == digest(made.header), (
        "what was asked for last is fetched first"
    )


async def test_after_a_restart_only_unordered_batches_are_told(shop: Shop, tmp_path: Path) -> None:
    made = batches(shop.kit, 4)
    await shop.intake.accept([encode_batch(batch) for batch in made])
    shop.store.close()
    await shop.disk.stop()
    again = Shop(tmp_path, shop.kit)
    again.intake.restore({1: (2, digest(made[1].header))})
    assert await again.told() == [3, 4]
    again.intake.want([ref_of(made[0].header)])
    assert await again.told() == [1]
    again.store.close()
    await again.disk.stop()


def own_vote(
    kit: ChainKit, view: int, kind: VoteKind = VoteKind.NOTARIZE, name: bytes = b"\x01" * 32
) -> Vote:
    nullify = kind is VoteKind.NULLIFY
    return sign_vote(
        kit.validators[0],
        kit.chain_id,
        0,
        kind,
        1,
        view,
        0 if nullify else view,
        bytes(32) if nullify else name,
    )


def identity(kit: ChainKit, *records: VoteCast | Finalized) -> Identity:
    return Identity(0, kit.validators[0].public_key, kit.chain_id, records)


def test_own_votes_that_come_back_are_not_told_to_the_replica_and_others_are() -> None:
    kit, inbox = ChainKit(), Inbox()
    mine = own_vote(kit, 3)
    listening = Listening(identity(kit, VoteCast(mine)), inbox, SteadyClock(ManualClock()))
    listening.end()
    listening.heard(Votes(0, (mine,)))
    assert len(inbox) == 0
    listening.heard(Votes(1, (mine,)))
    assert len(inbox) == 1


def test_an_observer_hears_the_votes_of_the_validator_whose_seat_it_looks_from() -> None:
    kit, inbox = ChainKit(), Inbox()
    listening = Listening(None, inbox, SteadyClock(ManualClock()))
    listening.end()
    listening.heard(Votes(0, (own_vote(kit, 3),)))
    assert len(inbox) == 1


def test_own_votes_that_come_back_are_no_twin() -> None:
    kit = ChainKit()
    vote = own_vote(kit, 3)
    known = identity(kit, VoteCast(vote))
    known.check(Votes(0, (vote,)))
    later = own_vote(kit, 4, VoteKind.FINALIZE)
    known.given(later)
    known.check(Votes(0, (later, vote)))


@pytest.mark.parametrize("view", [3, 4, 1_000])
def test_a_signed_vote_that_is_not_in_the_log_is_a_twin(view: int) -> None:
    kit = ChainKit()
    known = identity(kit, VoteCast(own_vote(kit, 3)))
    with pytest.raises(TwinFound):
        known.check(Votes(0, (own_vote(kit, view, name=b"\x02" * 32),)))


def test_an_empty_log_and_an_old_vote_mean_that_the_log_was_lost() -> None:
    kit = ChainKit()
    with pytest.raises(TwinFound):
        identity(kit).check(Votes(0, (own_vote(kit, 1),)))


def test_a_view_of_which_an_old_segment_took_a_part_with_it_is_not_judged() -> None:
    """NOTARIZE stood in a segment that went, FINALIZE of the same view in the next one."""
    kit = ChainKit()
    known = identity(kit, VoteCast(own_vote(kit, 7, VoteKind.FINALIZE)), Finalized(8, 8, bytes(32)))
    known.check(Votes(0, (own_vote(kit, 7),)))
    with pytest.raises(TwinFound):
        known.check(Votes(0, (own_vote(kit, 9),)))


def test_a_forged_vote_and_a_vote_below_the_log_prove_nothing() -> None:
    kit = ChainKit()
    known = identity(kit, VoteCast(own_vote(kit, 30)), Finalized(28, 29, bytes(32)))
    known.check(Votes(0, (msgspec.structs.replace(own_vote(kit, 31), signature=bytes(64)),)))
    known.check(Votes(0, (own_vote(kit, 29),)))
    known.forget(40)
    known.check(Votes(0, (own_vote(kit, 31),)))
    known.check(Votes(1, (msgspec.structs.replace(own_vote(kit, 50), validator=1),)))


async def test_the_inbox_gives_groups_in_order_and_says_when_it_is_full() -> None:
    inbox = Inbox()
    for number in range(INPUTS_MAX):
        inbox.put(Tick(number))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(inbox.room(), 0.01)
    group = await inbox.take()
    assert [item.now_ms for item in group] == list(range(GROUP_MAX))
    await asyncio.wait_for(inbox.room(), 1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(inbox.room(below=10), 0.01)


async def test_what_is_put_first_comes_before_all_that_waits() -> None:
    inbox = Inbox()
    for number in (2, 3):
        inbox.put(Tick(number))
    inbox.put_first(Tick(1))
    assert [item.now_ms for item in await inbox.take()] == [1, 2, 3]


def test_the_steady_clock_never_goes_back() -> None:
    wall = ManualClock(1_000)
    steady = SteadyClock(wall)
    assert steady.now_ms() == 1_000
    wall.advance(-500)
    times = [steady.now_ms() for _ in range(5)]
    assert times == sorted(times)
    assert times[0] >= 1_000
    wall.advance(5_000)
    assert steady.now_ms() == 5_500


async def test_a_second_batch_under_one_number_is_evidence_and_kept_within_bounds(shop: Shop) -> None:
    first = shop.kit.batch(API, [b"1"])
    others = [seal(signer(API), shop.kit.chain_id, 1, 1, bytes(32), [b"other %d" % n], 0) for n in range(9)]
    await shop.intake.accept([encode_batch(batch) for batch in (first, *others, first, *others)])
    assert len(shop.store) == ALTERNATIVES_MAX
    assert shop.evidence() == 1
    shop.intake.ordered([ref_of(first.header)])
    await shop.intake.accept([encode_batch(batch) for batch in (first, *others)])
    assert shop.evidence() == 2, "the others lie below the cursor now, and one of them is still seen"
    assert len(shop.store) == ALTERNATIVES_MAX


async def test_a_forged_batch_is_no_evidence_against_its_producer(shop: Shop) -> None:
    first = shop.kit.batch(API, [b"1"])
    stolen = seal(signer("stranger"), shop.kit.chain_id, 1, 1, bytes(32), [b"2"], 0)
    await shop.intake.accept([encode_batch(batch) for batch in (first, stolen)])
    assert (shop.evidence(), shop.refused()) == (0, 1)
