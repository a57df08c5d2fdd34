"""The diagrams are complete: every state, every row of the tables, every status and every clock is drawn."""

from typing import get_args

import pytest

from sps.escrow import agreement, clocks, parcel, payin, payout, refund, tranche
from sps.escrow.decide import CLOCKS
from sps.escrow.evidence import MEANINGS
from sps.escrow.state import ParcelState, PayinState, PayoutState, QuoteState, RefundState, TrancheState
from sps.transactions.terms import Clocks
from sps_cli.documents import deadlines
from sps_cli.documents.machines import MACHINES, edges_of, payout_edges, refund_edges
from sps_cli.documents.mermaid import OUTSIDE
from sps_cli.documents.trial_world import NOW_MS
from sps_cli.documents.trials import tag_of, trials

EDGES = {
    **{machine.name: edges_of(machine) for machine in MACHINES},
    "refund": refund_edges(),
    "payout": payout_edges(),
}
PHASES = {*get_args(agreement.Phase)} - {"ended"} | {"decided"} | {*get_args(agreement.Agreement)}
STATES = {
    "agreement": PHASES,
    "pay-in": {*get_args(PayinState)},
    "parcel": {*get_args(ParcelState)},
    "tranche": {*get_args(TrancheState)},
    "refund": {*get_args(RefundState)},
    "payout": {*get_args(PayoutState)},
    "quote": {*get_args(QuoteState)},
}


def arrows(machine):
    """Each arrow as (before, first word, rest)."""
    return {(edge.before, *edge.words.split(" ", 1)) for edge in EDGES[machine] if edge.words}


@pytest.mark.parametrize("machine", STATES)
def test_every_state_is_drawn_and_no_other(machine):
    drawn = {name for edge in EDGES[machine] for name in (edge.before, edge.after)} - {OUTSIDE}
    assert drawn == STATES[machine]


def test_every_command_of_the_agreement_is_drawn_with_its_row():
    drawn = arrows("agreement")
    for (phase, command), step in agreement.TRANSITIONS.items():
        rows = {
            rest
            for before, tag, *rest in map(tuple, drawn)
            if (before, tag) == (phase, tag_of(command))
            for rest in rest
        }
        assert rows, (phase, command)
        assert not step.row or step.row in rows


def test_every_fact_about_a_payment_is_drawn():
    drawn = {(before, tag) for before, tag, *_ in arrows("pay-in")}
    assert {(state or OUTSIDE, tag_of(fact)) for state, fact in payin.TRANSITIONS} <= drawn


@pytest.mark.parametrize(
    ("machine", "table"), [("refund", refund.TRANSITIONS), ("payout", payout.TRANSITIONS)]
)
def test_every_result_is_drawn_with_its_row(machine, table):
    assert {(state, tag_of(kind), step.row) for (state, kind), step in table.items()} <= arrows(machine)


def test_every_booking_and_every_status_of_a_parcel_is_drawn():
    drawn = arrows("parcel")
    assert {(state, "parcel.book.v1", step.row) for state, step in parcel.BOOKING.items()} <= drawn
    said = {(status, meaning.row) for status, meaning in MEANINGS.items() if meaning.rank}
    assert said <= {(word, row.split(" ")[0]) for _, word, row in (a for a in drawn if len(a) == 3)}


def test_the_buyers_word_is_drawn_with_its_rows():
    drawn = arrows("tranche")
    assert {(state, "contract.accept_goods.v1", row) for state, row in tranche.ACCEPT_ROWS.items()} <= drawn


def test_every_clock_was_tried_and_is_in_the_table():
    tried = {
        trial.event.removeprefix("deadline.") for trial in trials() if trial.event.startswith("deadline.")
    }
    assert tried == {*CLOCKS, clocks.QUOTE} == {*deadlines.STARTS}
    assert {duration.term for duration in deadlines.DURATIONS.values()} == {*Clocks.__struct_fields__}
    assert all(deadlines.rows_of(kind) and deadlines.what(kind) for kind in tried)


def test_the_durations_of_the_table_are_those_of_the_rules():
    agreed = Clocks()
    armed = {
        (deadline.kind, deadline.due_ms - NOW_MS)
        for trial in trials()
        if not trial.event.startswith("deadline.") and trial.event != "release.reverse.v1"
        for name, contract in trial.after.contracts.items()
        for deadline in contract.deadlines
        if name not in trial.before.contracts or deadline not in trial.before.contracts[name].deadlines
    }
    for kind, duration in deadlines.DURATIONS.items():
        assert {span for each, span in armed if each == kind} == {
            getattr(agreed, duration.term) + duration.added_ms
        }


@pytest.mark.parametrize(
    ("span", "text"), [(345_600_000, "4 d"), (5_400_000, "90 min"), (1_500, "1500 ms"), (0, "0 ms")]
)
def test_a_duration_is_spelled_in_its_largest_whole_unit(span, text):
    assert deadlines.spelled(span) == text
