"""The parts of a storm that need no servers: patient clients, tellers, faults, tables."""

import asyncio
import random
from collections import Counter

import httpx
import pytest

from sandbox.entrypoints.control import MischiefWish
from sps.runtime.errors import Refusal
from sps_cli.storm import patient
from sps_cli.storm.arena import BEHIND_KAFKA
from sps_cli.storm.faults import (
    DOWN_S,
    PAUSED_S,
    PROCESSES,
    SERVERS,
    Fault,
    any_fault,
    any_mischief,
    two_at_once,
)
from sps_cli.storm.load import Load
from sps_cli.storm.patient import PatientStory, StormTale
from sps_cli.storm.recovery import Strike
from sps_cli.storm.report import BEGIN, END, Outcome, check_page, markdown, write_page
from sps_cli.story import NotAsTold, Places
from sps_cli.wiring import NODES, SERVICES

PLACES = Places("http://api", "http://sandbox")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(patient, "PAUSE_S", 0.001)
    monkeypatch.setattr(patient, "LOOK_S", 0.001)


class Server:
    """Answers in turn what it was given, and remembers what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def __call__(self, request):
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def story(self, **tale):
        client = httpx.AsyncClient(transport=httpx.MockTransport(self))
        self.repeated = Counter()
        return PatientStory(PLACES, StormTale("tale", **tale), client, self.repeated)


def answer(code_, **body):
    return httpx.Response(code_, json=body)


async def test_a_request_is_repeated_with_its_key_until_it_is_answered():
    server = Server(
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("late"),
        answer(503, code="LATER"),
        answer(202, status="pending"),
        answer(201, contract="c-1", buyer_token="t", terms_hash="h"),
    )
    story = server.story(api_key="key")
    await story.offer()
    assert story.tale.contract == "c-1"
    assert {request.headers["idempotency-key"] for request in server.asked} == {"tale-offer"}
    assert len({request.content for request in server.asked}) == 1
    assert server.repeated == {"ConnectError": 1, "ReadTimeout": 1, "503": 1, "202": 1}


async def test_a_refusal_that_nobody_deserves_is_not_repeated():
    server = Server(answer(409, code="WRONG_STATE"))
    with pytest.raises(NotAsTold, match="409"):
        await server.story(api_key="key").offer()
    assert len(server.asked) == 1


async def test_patience_has_an_end(monkeypatch):
    monkeypatch.setattr(patient, "PATIENCE_S", 0.05)
    server = Server(answer(503, code="LATER"))
    with pytest.raises(NotAsTold, match="got 503"):
        await server.story(api_key="key").offer()
    assert len(server.asked) > 1


async def test_a_quote_that_ran_out_is_asked_for_again_under_a_new_key():
    locked = {"quote": "q", "state": "locked", "out": {"minor": "5", "currency": "EUR"}}
    server = Server(
        answer(201, quote="q-0"),
        answer(200, **locked),
        answer(409, code="QUOTE_EXPIRED"),
        answer(201, quote="q-1"),
        answer(200, **locked),
        answer(200, **locked),
        answer(200, **locked | {"state": "used"}),
    )
    story = server.story(api_key="key", to_convert="7")
    await story.convert()
    assert story.tale.quote == "q-1"
    assert story.tale.out == {"minor": "5", "currency": "EUR"}
    keys = [request.headers.get("idempotency-key") for request in server.asked]
    assert [key for key in keys if key] == [
        "tale-quote-0",
        "tale-convert-0",
        "tale-quote-1",
        "tale-convert-1",
    ]


def test_a_story_is_told_to_one_of_two_ends():
    names = {
        ends: [name for name, _ in Server(answer(200)).story(ends=ends).steps()]
        for ends in ("paid_out", "refunded")
    }
    assert names["paid_out"][-3:] == ["convert", "cash_out", "prove"]
    assert names["refunded"] == ["register", "offer", "accept", "go_to_pay", "pay", "cancel", "prove"]


async def test_tellers_finish_and_wait_when_they_are_hushed(monkeypatch):
    told = asyncio.Event()

    async def tell(story):
        await told.wait()
        await asyncio.sleep(0.01)

    monkeypatch.setattr(PatientStory, "tell", tell)
    load = Load(PLACES, tellers=3, seed=1, name="t")
    load.start()
    await asyncio.sleep(0)
    assert len(load.under_way()) == 3
    assert len(await load.hush(0.01)) == 3
    told.set()
    assert await load.hush(5) == []
    assert len(load.ended()) == len(load.tales) == 3
    since = load.ended()[-1].ended
    assert await load.next_end(since, 0.01) is None
    load.go_on()
    assert await load.next_end(since, 5) > since
    await load.stop()


async def test_a_story_that_breaks_is_kept_with_its_step_and_its_teller_goes_on(monkeypatch):
    async def tell(story):
        story.tale.step = "pay"
        await asyncio.sleep(0)
        if story.tale.name.endswith("-0"):
            raise NotAsTold("no")
        if story.tale.name.endswith("-1"):
            raise KeyError("surprise")

    monkeypatch.setattr(PatientStory, "tell", tell)
    load = Load(PLACES, tellers=1, seed=1, name="t")
    load.start()
    await load.next_end(0.0, 5)
    await load.hush(5)
    assert load.broken[0] == "pay: no"
    assert "KeyError('surprise')" in load.broken[1]
    assert [tale.name for tale in load.tales if not tale.ended] == ["t-0", "t-1"]
    await load.stop()


def test_the_same_seed_tells_the_same_and_breaks_the_same():
    def tales():
        load = Load(PLACES, tellers=1, seed=7, name="t")
        return [(t.price_minor, t.ends, t.carrier, t.pay_with) for t in (load._next() for _ in range(20))]

    assert tales() == tales()
    assert [any_fault(random.Random(7)) for _ in range(3)] == [any_fault(random.Random(7)) for _ in range(3)]


def test_every_target_has_its_turn_and_every_fault_its_bounds():
    chance = random.Random(3)
    faults = [any_fault(chance) for _ in range(3000)]
    assert {f.target for f in faults if f.kind == "kill"} == {*PROCESSES, *SERVERS}
    assert {f.target for f in faults if f.kind == "pause"} == {*PROCESSES, *SERVERS}
    assert {f.target for f in faults if f.server == "kafka"} == set(BEHIND_KAFKA)
    assert {f.target for f in faults if f.server == "postgres"} == set(SERVICES)
    assert {f.kind for f in faults if f.server} == {"cut", "hold", "slow", "lose answers"}
    assert all(DOWN_S[0] <= f.seconds <= DOWN_S[1] for f in faults if f.kind == "kill")
    assert all(PAUSED_S[0] <= f.seconds <= PAUSED_S[1] for f in faults if f.kind == "pause")


def test_two_faults_at_once_leave_a_quorum_and_each_other_alone():
    chance = random.Random(3)
    for _ in range(2000):
        first, second = two_at_once(chance)
        assert first.target != second.target
        assert len({first.target, second.target} & set(NODES)) < 2


def test_the_outside_world_misbehaves_as_the_sandbox_can():
    chance = random.Random(3)
    wishes = [MischiefWish.model_validate(any_mischief(chance)) for _ in range(200)]
    assert {wish.repeat for wish in wishes} == {0, 1, 3}
    assert any(wish.drop_answer_after_executing for wish in wishes)
    assert not any(wish.silent or wish.fail_payouts or wish.return_payouts for wish in wishes)


KILL, CUT = Fault("kill", "settlement", 1.0), Fault("cut", "contract-api", 2.0, "postgres")


def outcome(**changes):
    known = {
        "command": "sps storm --minutes 1 --seed 5",
        "seconds": 61.0,
        "strikes": (
            Strike((KILL,), 1.0, 2.5, 3.0),
            Strike((KILL,), 1.0, 4.5, 9.0),
            Strike((KILL, CUT), 2.0, 1.0, 1.0),
        ),
        "contracts": 30,
        "finished": 29,
        "payouts": 20,
        "refunds": 9,
        "repeated": Counter({"503": 4}),
        "duplicates": {"callbacks by us": 3},
        "lost": 0,
        "paid_twice": 0,
        "stuck": 0,
        "wrong": (),
    }
    return Outcome(**known | changes)


def test_the_table_counts_faults_and_times_by_kind():
    text = markdown(outcome())
    assert "`sps storm --minutes 1 --seed 5`" in text
    assert "| kill settlement | 2 | 2.5 | 4.5 | 4.5 | 9.0 |" in text
    assert "| two at once | 1 | 1.0 | 1.0 | 1.0 | 1.0 |" in text
    assert "| faults | 4 |" in text
    assert "| **paid twice** | **0** |" in text
    assert "3 callbacks by us" in text
    assert "Wrong" not in text


def test_a_fault_after_which_nothing_flowed_does_not_look_quick():
    text = markdown(outcome(strikes=(Strike((KILL,), 1.0, 2.0, 2.0), Strike((KILL,), 1.0, None, None))))
    assert "| kill settlement | 2 | 2.0 | 2.0 | 1 never | 1 never |" in text


@pytest.mark.parametrize("bad", [{"lost": 1}, {"paid_twice": 1}, {"stuck": 1}, {"wrong": ("something",)}])
def test_anything_wrong_makes_the_outcome_bad_and_is_said(bad):
    assert outcome().well
    assert not outcome(**bad).well
    assert ("- something" in markdown(outcome(**bad))) == ("wrong" in bad)


def test_the_table_of_a_page_is_written_between_its_markers(tmp_path):
    page = tmp_path / "reliability.md"
    page.write_text(f"# Storms\n\n{BEGIN}\nyesterday\n{END}\n\nthe rest\n")
    check_page(page)
    for _ in range(2):
        write_page(page, outcome())
    text = page.read_text()
    assert "yesterday" not in text
    assert text.count("| contracts opened | 30 |") == 1
    assert text.startswith("# Storms\n")
    assert text.endswith("\nthe rest\n")


def test_a_page_without_markers_is_refused_before_the_storm(tmp_path):
    page = tmp_path / "reliability.md"
    page.write_text(END + BEGIN)
    with pytest.raises(Refusal, match="marker"):
        check_page(page)
    with pytest.raises(Refusal, match="marker"):
        write_page(page, outcome())
