"""One outgoing order (payout or refund) never pays twice, whatever crashes or answers come between.

Machine of `docs/ledger.md` §8: ORDERED → SENDING(n) → UNKNOWN | ACCEPTED | REJECTED → SENT → RETURNED.
SENDING(n) is durable before the call. Whatever is not a clear answer is UNKNOWN, and UNKNOWN is only
ever looked up by our identifier. It is sent again, with the same key, only when the provider definitely
does not know it after its longest processing delay, and only inside the window of its key. Past the
bound of patience a person decides (MANUAL); a late answer of the provider still ends it.
"""

from typing import Final, Literal, assert_never

from msgspec import Struct
from msgspec.structs import replace

from payment_gateway.core.outcome import Absent, Accepted, Outcome, Rejected, Returned, Sent, Unknown

State = Literal["ordered", "sending", "unknown", "accepted", "sent", "rejected", "returned", "manual"]
Report = Literal["paid", "failed", "returned", "manual"]
Act = Literal["send", "look_up", "recover"]
Settled = Literal["held_by_provider", "paid", "failed", "returned", "manual"]
"""What the chain says of an order that has had a result."""

FINAL_STATES: Final = frozenset({"rejected", "returned"})

UNHURRIED_STATES: Final = FINAL_STATES | {"ordered", "sending"}
"""Where a hint changes nothing: there is no outcome to ask for."""

SECOND_MS: Final = 1_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
NEVER_MS: Final = 2**53 - 1
"""A due time that is not reached; a hint still brings the row back."""
DOUBLINGS_MAX: Final = 32


class Rules(Struct, frozen=True):
    """The bounds of one provider, in milliseconds."""

    settle_ms: int = 15 * 60 * SECOND_MS
    """Longest time after a call in which the provider may still come to know the order."""
    key_window_ms: int = 20 * HOUR_MS
    """After the first call: the time in which the same key is certain to mean the same order."""
    patience_ms: int = DAY_MS
    """An outcome that stays open for longer is shown to a person (S5)."""
    fresh_ms: int = 15 * 60 * SECOND_MS
    """An order older than this may have been sent by a register that was lost: look it up before sending."""
    lease_ms: int = 2 * 60 * SECOND_MS
    """A call takes less than this; a worker that holds the row for longer has died."""
    return_window_ms: int = 14 * DAY_MS
    """How long a paid order is still looked at, because it may come back."""
    first_pause_ms: int = 2 * SECOND_MS
    longest_pause_ms: int = HOUR_MS
    attempts_max: int = 5
    """More sendings than this need a person."""


class Machine(Struct, frozen=True):
    """Where one order is. Times in Unix milliseconds; 0 means not yet."""

    state: State = "ordered"
    attempt: int = 0
    """Number of the newest sending."""
    fence: int = 0
    """Rises with every change of hands; a result that carries an older number is void."""
    first_sent_ms: int = 0
    last_sent_ms: int = 0
    open_since_ms: int = 0
    """Since when the outcome is open."""
    looks: int = 0
    """Queries since the last change of state; sets the pause."""
    due_ms: int = 0
    """When something is to be done next; a claimed row carries the end of its lease here."""
    reference: str = ""
    reason: str = ""


class Step(Struct, frozen=True):
    """The machine afterwards and what the chain is told, if anything."""

    machine: Machine
    report: Report | None = None


def intake(ordered_ms: int, now_ms: int, rules: Rules) -> Machine:
    """A new row. One that the chain ordered long ago starts as UNKNOWN (`docs/ledger.md` §8, recovery)."""
    if now_ms - ordered_ms <= rules.fresh_ms:
        return Machine(due_ms=now_ms)
    return Machine(state="unknown", open_since_ms=now_ms, due_ms=now_ms, reason="old_order")


def next_act(machine: Machine, now_ms: int, rules: Rules) -> Act | None:
    """What a worker has to do with this row now; None: nothing yet, or nothing ever again."""
    if machine.state in FINAL_STATES or now_ms < machine.due_ms:
        return None
    if machine.state == "ordered":
        return "recover" if _may_have_been_sent(machine, now_ms, rules) else "send"
    if machine.state == "sending":
        return "recover"
    return "look_up"


def begin_sending(machine: Machine, now_ms: int, rules: Rules) -> Machine:
    """SENDING(n): to be committed before the call is made."""
    if machine.state != "ordered" or _key_expired(machine, now_ms, rules):
        raise ValueError(f"an order in state {machine.state} is not sent now")
    return replace(
        machine,
        state="sending",
        attempt=machine.attempt + 1,
        fence=machine.fence + 1,
        first_sent_ms=machine.first_sent_ms or now_ms,
        last_sent_ms=now_ms,
        open_since_ms=machine.open_since_ms or now_ms,
        looks=0,
        due_ms=now_ms + rules.lease_ms,
    )


def begin_look(machine: Machine, now_ms: int, rules: Rules) -> Machine:
    """Take the row for a query; the state stays, the fence rises, the lease runs."""
    return replace(machine, fence=machine.fence + 1, due_ms=now_ms + rules.lease_ms)


def recover(machine: Machine, now_ms: int) -> Machine:
    """The worker died while SENDING, or came back too late to send: it is UNKNOWN."""
    since_ms = machine.open_since_ms or now_ms
    return replace(
        machine, state="unknown", fence=machine.fence + 1, open_since_ms=since_ms, due_ms=now_ms, looks=0
    )


def adopt(machine: Machine, settled: Settled, reference: str, now_ms: int) -> Machine:
    """The chain has a result that this register does not know: it is an old backup. Never sent again."""
    states: dict[Settled, State] = {"paid": "sent", "failed": "rejected", "returned": "returned"}
    return replace(
        machine,
        state=states.get(settled, "manual"),
        fence=machine.fence + 1,
        open_since_ms=now_ms,
        due_ms=now_ms,
        looks=0,
        reference=machine.reference or reference,
        reason="settled_before",
    )


def hurry(machine: Machine, now_ms: int) -> Machine:
    """A hint arrived: look now, unless a worker is at it or it is over. Never makes a sending due."""
    if machine.state in UNHURRIED_STATES:
        return machine
    return replace(machine, due_ms=min(machine.due_ms, now_ms))


def answered(machine: Machine, outcome: Outcome, now_ms: int, rules: Rules) -> Step:
    """Take the provider's answer to a sending."""
    if machine.state != "sending":
        raise ValueError(f"there is no sending in state {machine.state}")
    if isinstance(outcome, Absent):
        outcome = Unknown("no_answer")
    return _take(machine, outcome, now_ms, rules)


def looked_up(machine: Machine, outcome: Outcome, now_ms: int, rules: Rules) -> Step:
    """Take the provider's answer to a query by our identifier."""
    if machine.state in UNHURRIED_STATES:
        raise ValueError(f"nothing is looked up in state {machine.state}")
    return _take(machine, outcome, now_ms, rules)


def _take(machine: Machine, outcome: Outcome, now_ms: int, rules: Rules) -> Step:
    match outcome:
        case Sent():
            return _sent(machine, outcome.reference, now_ms, rules)
        case Accepted():
            return _accepted(machine, outcome.reference, now_ms, rules)
        case Rejected() | Returned():
            return _not_paid(machine, outcome)
        case Absent():
            return _absent(machine, now_ms, rules)
        case Unknown():
            return _in_doubt(machine, outcome.reason, now_ms, rules)
    assert_never(outcome)


def _sent(machine: Machine, reference: str, now_ms: int, rules: Rules) -> Step:
    if machine.state == "sent":
        return Step(_wait(machine, now_ms, rules))
    paid = replace(machine, state="sent", reference=reference, open_since_ms=now_ms, looks=0, reason="")
    return Step(_wait(paid, now_ms, rules), "paid")


def _accepted(machine: Machine, reference: str, now_ms: int, rules: Rules) -> Step:
    """Being worked on. A paid order that shows this again stays paid: states may go back (X82)."""
    if machine.state == "sent":
        return Step(_wait(machine, now_ms, rules))
    if machine.state in {"accepted", "manual"}:
        return _or_manual(replace(machine, reference=reference), now_ms, rules)
    fresh = replace(machine, state="accepted", reference=reference, looks=0)
    return _or_manual(fresh, now_ms, rules)


def _not_paid(machine: Machine, outcome: Rejected | Returned) -> Step:
    """No money stays away: before it was reported as paid it failed, afterwards it is returned."""
    if machine.state == "sent":
        return Step(replace(machine, state="returned", reason=outcome.reason), "returned")
    return Step(replace(machine, state="rejected", reason=outcome.reason), "failed")


def _absent(machine: Machine, now_ms: int, rules: Rules) -> Step:
    """The provider does not know it. Send again only from UNKNOWN, late enough and early enough."""
    if machine.state != "unknown":
        return _in_doubt(machine, "contradiction", now_ms, rules)
    if machine.attempt >= rules.attempts_max or _key_expired(machine, now_ms, rules):
        return _manual(replace(machine, reason="key_expired"), now_ms, rules)
    safe_ms = (machine.last_sent_ms or machine.open_since_ms) + rules.settle_ms
    if now_ms < safe_ms:
        return Step(replace(_wait(machine, now_ms, rules), due_ms=safe_ms))
    return Step(replace(machine, state="ordered", due_ms=now_ms))


def _may_have_been_sent(machine: Machine, now_ms: int, rules: Rules) -> bool:
    """Our key for it has expired. Without a sending of ours it counts from when the order was due: this
    register may be an old backup, and the one that was lost has sent since.
    """
    return _key_expired(machine, now_ms, rules) or now_ms >= machine.due_ms + rules.key_window_ms


def _key_expired(machine: Machine, now_ms: int, rules: Rules) -> bool:
    return machine.attempt > 0 and now_ms >= machine.first_sent_ms + rules.key_window_ms


def _in_doubt(machine: Machine, reason: str, now_ms: int, rules: Rules) -> Step:
    if machine.state == "sent":
        return Step(_wait(machine, now_ms, rules))
    if machine.state == "sending":
        machine = replace(machine, state="unknown", looks=0)
    return _or_manual(replace(machine, reason=reason), now_ms, rules)


def _or_manual(machine: Machine, now_ms: int, rules: Rules) -> Step:
    if machine.state != "manual" and now_ms >= machine.open_since_ms + rules.patience_ms:
        return _manual(machine, now_ms, rules)
    return Step(_wait(machine, now_ms, rules))


def _manual(machine: Machine, now_ms: int, rules: Rules) -> Step:
    """A person looks at it; queries go on slowly, sendings never."""
    given_up = replace(machine, state="manual", looks=0, due_ms=now_ms + rules.longest_pause_ms)
    return Step(given_up, "manual")


def _wait(machine: Machine, now_ms: int, rules: Rules) -> Machine:
    """Pause before the next query: doubling, bounded; a paid order is let go after its window."""
    if machine.state == "sent" and now_ms >= machine.open_since_ms + rules.return_window_ms:
        return replace(machine, due_ms=NEVER_MS)
    if machine.state in {"sent", "manual"}:
        return replace(machine, looks=machine.looks + 1, due_ms=now_ms + rules.longest_pause_ms)
    pause = min(rules.first_pause_ms << min(machine.looks, DOUBLINGS_MAX), rules.longest_pause_ms)
    return replace(machine, looks=machine.looks + 1, due_ms=now_ms + pause)
