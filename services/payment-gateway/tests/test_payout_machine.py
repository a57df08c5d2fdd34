import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from payment_gateway.core.outcome import Absent, Accepted, Rejected, Returned, Sent, Unknown
from payment_gateway.core.payout import (
    NEVER_MS,
    Machine,
    Rules,
    adopt,
    answered,
    begin_look,
    begin_sending,
    hurry,
    intake,
    looked_up,
    next_act,
    recover,
)
from sps.money import Money

NOW = 1_800_000_000_000
RULES = Rules()
HOUR = 3_600_000
SENT = Sent("ref1", b"raw")
ACCEPTED = Accepted("ref1", b"raw")
REJECTED = Rejected("payee_not_exist")
RETURNED = Returned("bank_bounce", Money(90, "CNY"))
UNKNOWN = Unknown("no_answer")
ABSENT = Absent()


def machine(state, **changes):
    sent = state != "ordered"
    base = Machine(
        state=state,
        attempt=1 if sent else 0,
        fence=3,
        first_sent_ms=NOW if sent else 0,
        last_sent_ms=NOW if sent else 0,
        open_since_ms=NOW if sent else 0,
        due_ms=NOW,
    )
    return replace(base, **changes)


@pytest.mark.parametrize(
    ("outcome", "state", "report"),
    [
        (SENT, "sent", "paid"),
        (ACCEPTED, "accepted", None),
        (REJECTED, "rejected", "failed"),
        (RETURNED, "rejected", "failed"),
        (UNKNOWN, "unknown", None),
        (ABSENT, "unknown", None),
    ],
)
def test_an_answer_to_a_sending(outcome, state, report):
    step = answered(machine("sending"), outcome, NOW + 5, RULES)
    assert (step.machine.state, step.report) == (state, report)


@pytest.mark.parametrize(
    ("before", "outcome", "state", "report"),
    [
        ("unknown", SENT, "sent", "paid"),
        ("unknown", ACCEPTED, "accepted", None),
        ("unknown", REJECTED, "rejected", "failed"),
        ("unknown", RETURNED, "rejected", "failed"),
        ("unknown", UNKNOWN, "unknown", None),
        ("unknown", ABSENT, "unknown", None),
        ("accepted", SENT, "sent", "paid"),
        ("accepted", ACCEPTED, "accepted", None),
        ("accepted", REJECTED, "rejected", "failed"),
        ("accepted", UNKNOWN, "accepted", None),
        ("accepted", ABSENT, "accepted", None),
        ("sent", SENT, "sent", None),
        ("sent", ACCEPTED, "sent", None),
        ("sent", REJECTED, "returned", "returned"),
        ("sent", RETURNED, "returned", "returned"),
        ("sent", UNKNOWN, "sent", None),
        ("sent", ABSENT, "sent", None),
        ("manual", SENT, "sent", "paid"),
        ("manual", REJECTED, "rejected", "failed"),
        ("manual", ACCEPTED, "manual", None),
        ("manual", UNKNOWN, "manual", None),
        ("manual", ABSENT, "manual", None),
    ],
)
def test_an_answer_to_a_query(before, outcome, state, report):
    step = looked_up(machine(before), outcome, NOW + 5, RULES)
    assert (step.machine.state, step.report) == (state, report)


def test_an_order_is_sent_once_it_is_taken():
    fresh = intake(NOW - 1000, NOW, RULES)
    assert next_act(fresh, NOW, RULES) == "send"
    sending = begin_sending(fresh, NOW, RULES)
    assert (sending.state, sending.attempt, sending.fence) == ("sending", 1, 1)
    assert next_act(sending, NOW + RULES.lease_ms - 1, RULES) is None


def test_an_old_order_is_looked_up_before_anything_is_sent():
    old = intake(NOW - HOUR, NOW, RULES)
    assert next_act(old, NOW, RULES) == "look_up"
    early = looked_up(old, ABSENT, NOW, RULES).machine
    assert early.state == "unknown"
    late = looked_up(early, ABSENT, NOW + RULES.settle_ms, RULES).machine
    assert late.state == "ordered"


def test_a_worker_that_died_while_sending_leaves_the_outcome_unknown():
    sending = begin_sending(machine("ordered"), NOW, RULES)
    later = NOW + RULES.lease_ms
    assert next_act(sending, later, RULES) == "recover"
    recovered = recover(sending, later)
    assert (recovered.state, recovered.fence) == ("unknown", sending.fence + 1)
    assert next_act(recovered, later, RULES) == "look_up"


def test_an_unknown_order_is_sent_again_only_after_the_longest_processing_delay():
    early = looked_up(machine("unknown"), ABSENT, NOW + RULES.settle_ms - 1, RULES)
    assert (early.machine.state, early.machine.due_ms) == ("unknown", NOW + RULES.settle_ms)
    assert looked_up(machine("unknown"), ABSENT, NOW + RULES.settle_ms, RULES).machine.state == "ordered"


def test_past_the_window_of_its_key_an_order_goes_to_a_person():
    step = looked_up(machine("unknown"), ABSENT, NOW + RULES.key_window_ms, RULES)
    assert (step.machine.state, step.machine.reason, step.report) == ("manual", "key_expired", "manual")


def test_a_resend_that_was_allowed_and_comes_too_late_is_not_made():
    allowed = looked_up(machine("unknown"), ABSENT, NOW + RULES.settle_ms, RULES).machine
    late = NOW + RULES.key_window_ms
    assert next_act(allowed, late, RULES) == "recover"
    with pytest.raises(ValueError, match="not sent now"):
        begin_sending(allowed, late, RULES)


def test_too_many_sendings_need_a_person():
    tired = machine("unknown", attempt=RULES.attempts_max)
    assert looked_up(tired, ABSENT, NOW + RULES.settle_ms, RULES).machine.state == "manual"


@pytest.mark.parametrize("state", ["unknown", "accepted"])
def test_an_open_outcome_goes_to_a_person_after_a_bounded_time(state):
    step = looked_up(machine(state), UNKNOWN, NOW + RULES.patience_ms, RULES)
    assert (step.machine.state, step.report) == ("manual", "manual")


def test_pauses_between_queries_double_up_to_a_bound():
    now, pauses, row = NOW, [], machine("unknown")
    for _ in range(14):
        row = looked_up(row, UNKNOWN, now, Rules(patience_ms=NEVER_MS // 2)).machine
        pauses.append(row.due_ms - now)
        now = row.due_ms
    assert pauses[:4] == [2000, 4000, 8000, 16000]
    assert pauses[-1] == RULES.longest_pause_ms


def test_a_hint_makes_a_query_due_and_never_a_sending():
    assert hurry(machine("accepted", due_ms=NOW + HOUR), NOW).due_ms == NOW
    assert hurry(machine("sent", due_ms=NEVER_MS), NOW).due_ms == NOW
    for state in ("ordered", "sending", "rejected", "returned"):
        assert hurry(machine(state, due_ms=NOW + HOUR), NOW).due_ms == NOW + HOUR


def test_a_paid_order_is_let_go_when_it_cannot_come_back_any_more():
    late = looked_up(machine("sent"), SENT, NOW + RULES.return_window_ms, RULES).machine
    assert late.due_ms == NEVER_MS


@pytest.mark.parametrize("state", ["ordered", "sending", "rejected", "returned"])
def test_nothing_is_looked_up_where_there_is_nothing_to_learn(state):
    with pytest.raises(ValueError, match="nothing is looked up"):
        looked_up(machine(state), SENT, NOW, RULES)


@pytest.mark.parametrize(
    "state", ["unknown", "accepted", "sent", "manual", "rejected", "returned", "sending"]
)
def test_only_an_ordered_row_is_sent(state):
    with pytest.raises(ValueError, match="not sent now"):
        begin_sending(machine(state), NOW, RULES)


class ForgetfulProvider:
    """Keeps keys for 24 hours only, shows an executed order to queries after some minutes, loses answers."""

    KEY_KEPT_MS = 24 * HOUR

    def __init__(self):
        self.executions = []

    def send(self, now, executes, delay):
        known = self.executions and now - self.executions[-1][0] < self.KEY_KEPT_MS
        if executes and not known:
            self.executions.append((now, now + delay))
        return bool(self.executions) if known else executes

    def query(self, now):
        return any(visible <= now for _, visible in self.executions)


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["work", "wait", "hint"]),
        st.booleans(),  # the provider executes the call
        st.sampled_from(["answer", "lost", "accepted", "crash_before", "crash_after"]),
        st.integers(0, RULES.settle_ms - RULES.lease_ms),  # until a query sees it
        st.sampled_from([0, 1000, 60_000, RULES.lease_ms, RULES.settle_ms, HOUR, 20 * HOUR, 30 * HOUR]),
    ),
    max_size=60,
)


def _send(row, provider, now, move):
    _, executes, how, delay, _ = move
    row = begin_sending(row, now, RULES)
    if how == "crash_before":
        return row, None
    done = provider.send(now, executes, delay)
    if how == "crash_after":
        return row, None
    if how == "lost" or not done:
        step = answered(row, UNKNOWN, now, RULES)
    else:
        step = answered(row, ACCEPTED if how == "accepted" else SENT, now, RULES)
    return step.machine, step.report


def _look(row, provider, now, move):
    row = begin_look(row, now, RULES)
    how = move[2]
    if how.startswith("crash"):
        return row, None
    known = SENT if provider.query(now) else ABSENT
    outcome = UNKNOWN if how == "lost" else known
    step = looked_up(row, outcome, now, RULES)
    return step.machine, step.report


@settings(max_examples=400, deadline=None)
@given(MOVES)
def test_no_order_of_crashes_and_answers_pays_twice(moves):
    provider, row, now, reports = ForgetfulProvider(), intake(NOW, NOW, RULES), NOW, []
    for move in moves:
        now += move[4]
        if move[0] == "hint":
            row = hurry(row, now)
        if move[0] != "work":
            continue
        before, report = row, None
        match next_act(row, now, RULES):
            case "send":
                row, report = _send(row, provider, now, move)
            case "look_up":
                row, report = _look(row, provider, now, move)
            case "recover":
                row = recover(row, now)
        reports += [report] if report else []
        assert row.attempt >= before.attempt
        assert row.fence >= before.fence
    assert len(provider.executions) <= 1
    assert reports.count("paid") <= 1
    assert reports.count("manual") <= 1
    if "paid" in reports:
        assert provider.executions


@settings(max_examples=200, deadline=None)
@given(MOVES)
def test_what_was_paid_is_known_in_the_end(moves):
    provider, row, now = ForgetfulProvider(), intake(NOW, NOW, RULES), NOW
    healthy = [("work", True, "answer", 0, HOUR)] * 60
    for move in [*moves, *healthy]:
        now += move[4]
        match next_act(row, now, RULES):
            case "send":
                row, _ = _send(row, provider, now, move)
            case "look_up":
                row, _ = _look(row, provider, now, move)
            case "recover":
                row = recover(row, now)
    assert len(provider.executions) <= 1
    assert row.state == ("sent" if provider.executions else "manual")


def test_an_order_of_an_old_backup_is_looked_up_before_it_is_sent():
    row = machine("ordered")
    assert next_act(row, NOW + RULES.key_window_ms - 1, RULES) == "send"
    late = NOW + RULES.key_window_ms
    assert next_act(row, late, RULES) == "recover"
    row = recover(row, late)
    assert next_act(row, late, RULES) == "look_up"
    step = looked_up(begin_look(row, late, RULES), UNKNOWN, late, RULES)
    assert (step.machine.state, step.report) == ("unknown", None)  # its patience begins now
    step = looked_up(step.machine, SENT, late, RULES)
    assert (step.machine.state, step.machine.attempt, step.report) == ("sent", 0, "paid")


@pytest.mark.parametrize(
    ("settled", "state", "act"),
    [
        ("paid", "sent", "look_up"),
        ("held_by_provider", "manual", "look_up"),
        ("manual", "manual", "look_up"),
        ("failed", "rejected", None),
        ("returned", "returned", None),
    ],
)
def test_what_the_chain_has_settled_is_never_sent_by_an_old_backup(settled, state, act):
    row = adopt(machine("ordered"), settled, "ref9", NOW)
    assert (row.state, row.reference, row.fence) == (state, "ref9", 4)
    assert next_act(row, NOW, RULES) == act
    if act:
        step = looked_up(begin_look(row, NOW, RULES), ABSENT, NOW, RULES)
        assert next_act(step.machine, step.machine.due_ms, RULES) == "look_up"
