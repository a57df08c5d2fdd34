"""The audit of a storm finds what it is there to find."""

import copy

import pytest

from settlement.application.ports import TrialLine
from sps_cli.storm.audit import differing, due, findings, lost, paid_twice, unfinished
from sps_cli.storm.patient import StormTale
from sps_cli.storm.registers import NodeLine, OrderLine, Registers

PAID = {"state": "paid", "repeats": 0}


def tale(name, **more):
    known = {"price_minor": "10000", "currency": "EUR", "target": "EUR", "began": 1.0, "ended": 2.0}
    return StormTale(name, **known | {"contract": f"c-{name}", "payment": f"pay-{name}"} | more)


TALES = [
    tale("one", payout="po-one", to_cash_out="9900"),
    tale(
        "two",
        currency="CNY",
        to_convert="9900",
        payout="po-two",
        to_cash_out="1234",
        out={"minor": "1234", "currency": "EUR"},
    ),
    tale("three", ends="refunded", refund="re-three"),
]
BOOKS = {
    "stripe": {"EUR": {"balance": 5}},
    "payments": [
        {"our_id": "pay-one", "minor": 10000, "currency": "EUR", "state": "paid"},
        {"our_id": "pay-two", "minor": 10000, "currency": "CNY", "state": "paid"},
        {"our_id": "pay-three", "minor": 10000, "currency": "EUR", "state": "paid"},
        {"our_id": "pay-four", "minor": 10000, "currency": "EUR", "state": "waiting"},
    ],
    "payouts": [
        {"our_id": "po-one", "minor": 9900, "currency": "EUR"} | PAID,
        {"our_id": "po-two", "minor": 1234, "currency": "EUR"} | PAID,
    ],
    "refunds": [{"our_id": "re-three", "minor": 10000, "currency": "EUR"} | PAID],
}
OURS = Registers(
    trial=[
        TrialLine("1000/stripe/EUR", "EUR", 5, 0),
        TrialLine("3000/equity/EUR", "EUR", 0, 5),
    ],
    orders=[
        OrderLine("po-one", "payout", "sent", 9900, "EUR", 1),
        OrderLine("re-three", "refund", "sent", 10000, "EUR", 1),
    ],
    contracts={"c-one": "CLOSED", "c-two": "CLOSED", "c-three": "CLOSED"},
    unsaid={"settlement": 0, "contract-api": 0},
    unpublished_orders=0,
    heights={"settlement": 7},
    nodes=[NodeLine(f"node-{i}", 7, 7, "aa") for i in range(4)],
    duplicates={},
)


def changed(part, change):
    books = copy.deepcopy(BOOKS)
    change(books[part])
    return books


def ours(**changes):
    import msgspec

    return msgspec.structs.replace(OURS, **changes)


def test_an_exact_world_has_no_findings():
    assert findings(TALES, BOOKS, OURS) == []
    assert (lost(TALES, BOOKS), paid_twice(BOOKS)) == (0, 0)


@pytest.mark.parametrize(
    ("part", "change", "words"),
    [
        ("payouts", lambda made: made.append(made[0]), "po-one 2 times"),
        ("payouts", lambda made: made.pop(0), "po-one 0 times"),
        ("payouts", lambda made: made[0].update(minor=9901), "po-one is 9901 EUR paid, not 9900 EUR"),
        ("payouts", lambda made: made[0].update(currency="USD"), "9900 USD paid"),
        ("payouts", lambda made: made[0].update(state="returned"), "9900 EUR returned"),
        ("payouts", lambda made: made.append(made[0] | {"our_id": "po-x"}), "payout po-x that nobody asked"),
        ("refunds", lambda made: made.append(made[0]), "re-three 2 times"),
        ("refunds", lambda made: made.pop(0), "re-three 0 times"),
        ("refunds", lambda made: made[0].update(minor=9999), "re-three is 9999 EUR"),
        ("refunds", lambda made: made.append(made[0] | {"our_id": "re-x"}), "refund re-x that nobody asked"),
        ("payments", lambda made: made.pop(0), "one: paid in []"),
        ("payments", lambda made: made.append(made[0]), "one: paid in [(10000, 'EUR'), (10000, 'EUR')]"),
        ("payments", lambda made: made[0].update(minor=1), "one: paid in [(1, 'EUR')]"),
        ("payments", lambda made: made.append(made[0] | {"our_id": "pay-x"}), "pay-x belongs to no story"),
        ("stripe", lambda line: line["EUR"].update(balance=4), "we have 5, the provider 4"),
    ],
)
def test_what_a_provider_did_otherwise_is_found(part, change, words):
    found = findings(TALES, changed(part, change), OURS)
    assert any(words in each for each in found), found


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"contracts": OURS.contracts | {"c-x": "CLOSED"}}, "c-x belongs to no story"),
        ({"contracts": {"c-one": "CLOSED", "c-two": "CLOSED"}}, "c-three was opened and is not there"),
        ({"contracts": OURS.contracts | {"c-one": "SETTLING"}}, "c-one is left in SETTLING"),
        ({"orders": [OrderLine("po-one", "payout", "unknown", 1, "EUR", 1)]}, "po-one is left as unknown"),
        ({"unsaid": {"settlement": 2}}, "settlement: 2 facts are in no block"),
        ({"unpublished_orders": 1}, "1 orders are not published"),
        ({"trial": [TrialLine("1000/stripe/EUR", "EUR", 5, 0)]}, "our books sum to 5"),
        (
            {"nodes": [*OURS.nodes[:3], NodeLine("node-3", 7, 7, "bb")]},
            "the validators differ",
        ),
    ],
)
def test_what_our_registers_hold_otherwise_is_found(changes, words):
    found = findings(TALES, BOOKS, ours(**changes))
    assert any(words in each for each in found), found


def test_money_that_stays_in_transit_is_found():
    trial = [*OURS.trial, TrialLine("2300/po-one/EUR", "EUR", 3, 0), TrialLine("3000/x/EUR", "EUR", 0, 3)]
    assert findings(TALES, BOOKS, ours(trial=trial)) == ["2300/po-one/EUR: 3 is stuck"]


def test_an_amount_that_is_not_the_price_less_the_fee_is_found():
    wrong = tale("one", payout="po-one", to_cash_out="9899")
    books = changed("payouts", lambda made: made[0].update(minor=9899))
    assert findings([wrong, *TALES[1:]], books, OURS) == ["one: 9900 is due after the fee, not 9899 EUR"]


def test_a_payout_that_is_not_what_the_conversion_gave_is_found():
    wrong = copy.copy(TALES[1])
    wrong.to_cash_out = "1235"
    books = changed("payouts", lambda made: made[1].update(minor=1235))
    found = findings([TALES[0], wrong, TALES[2]], books, OURS)
    assert [each for each in found if "converted to" in each]


def test_a_story_that_stopped_on_its_way_is_stuck_and_what_it_paid_is_not_foreign():
    stopped = tale(
        "four", ended=0.0, step="cash_out", payout="po-four", payment="pay-four", contract="c-four"
    )
    books = changed("payouts", lambda made: made.append(made[0] | {"our_id": "po-four"}))
    found = findings([*TALES, stopped], books, ours(contracts=OURS.contracts | {"c-four": "CLOSED"}))
    assert found == unfinished([stopped]) == ["four is stuck at cash_out"]


def test_lost_and_doubled_payments_are_counted():
    assert lost(TALES, changed("payouts", lambda made: made.pop())) == 1
    assert lost(TALES, changed("refunds", lambda made: made.pop())) == 1
    assert paid_twice(changed("payouts", lambda made: made.extend(made))) == 2
    assert paid_twice(changed("refunds", lambda made: made.append(made[0]))) == 1


@pytest.mark.parametrize(
    ("price", "left"), [("10000", 9900), ("150", 148), ("50", 50), ("250", 248), ("149", 148), ("151", 149)]
)
def test_half_a_unit_of_the_fee_goes_to_the_even_neighbour(price, left):
    assert due(tale("x", price_minor=price)) == left


def test_validators_at_different_heights_differ_too():
    behind = [NodeLine("node-0", 7, 7, "aa"), NodeLine("node-1", 7, 6, "aa")]
    assert differing(behind)
    assert not differing(behind[:1])
