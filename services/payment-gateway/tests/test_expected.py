import pytest
from chain_world import Deal, World, h32, ident
from msgspec.structs import replace

from payment_gateway.core.expected import amount_due, check_payout, check_refund
from payment_gateway.core.outcome import Rejected, Returned, Sent
from payment_gateway.core.payment import Arrival, Found, cleared_fact, event_id, fee_fact, news, next_look_ms
from payment_gateway.core.payout import Machine, Step
from payment_gateway.core.refusal import Refused
from payment_gateway.core.results import payout_result, refund_result
from sps.escrow.state import Payout, Refund
from sps.money import Money
from sps.transactions.codec import decode, encode
from sps.transactions.orders import Order
from sps.transactions.values import WireMoney
from sps.transactions.vocabulary import (
    PaymentCleared,
    PayoutPaid,
    PayoutReturned,
    ProviderFee,
    RefundFailed,
    RefundPaid,
)

PAYOUT = Payout(ident("pyo", "p"), ident("mer", "alice"), "alipay", h32("b"), "CNY", 500)
PAYOUT_ORDER = Order(PAYOUT.id, "payout", 1, 0, "alipay", WireMoney("CNY", "500"), beneficiary=h32("b"))
REFUND = Refund(ident("rfd", "r"), ident("pay", "p"), "alipay", "CNY", 500)
REFUND_ORDER = Order(REFUND.id, "refund", 1, 0, "alipay", WireMoney("CNY", "500"), payment=REFUND.payment)


def refused(call, *args):
    with pytest.raises(Refused) as refusal:
        call(*args)
    return refusal.value.code


def test_what_is_due_follows_the_contract():
    world, deal = World(), Deal()
    assert refused(amount_due, None) == "UNKNOWN_CONTRACT"
    world.do(deal.offer())
    assert refused(amount_due, world.state.contracts[deal.id]) == "NOT_PAYABLE"
    world.do(deal.accept())
    assert amount_due(world.state.contracts[deal.id]) == Money(100_000, "CNY")
    world.do(deal.pay(40_000))
    assert amount_due(world.state.contracts[deal.id]) == Money(60_000, "CNY")
    world.do(deal.pay(60_000, number=2))
    assert refused(amount_due, world.state.contracts[deal.id]) == "NOTHING_DUE"


@pytest.mark.parametrize(
    ("payout", "code"),
    [
        (None, "NOT_ON_CHAIN"),
        (replace(PAYOUT, amount=501), "OTHER_AMOUNT"),
        (replace(PAYOUT, currency="USD"), "OTHER_AMOUNT"),
        (replace(PAYOUT, beneficiary=h32("c")), "OTHER_BENEFICIARY"),
        (replace(PAYOUT, provider="stripe"), "OTHER_BENEFICIARY"),
        (replace(PAYOUT, state="paid"), "NOT_ORDERED"),
        (replace(PAYOUT, state="manual"), "NOT_ORDERED"),
    ],
)
def test_a_payout_order_must_be_what_the_chain_ordered(payout, code):
    check_payout(PAYOUT_ORDER, PAYOUT)
    assert refused(check_payout, PAYOUT_ORDER, payout) == code


@pytest.mark.parametrize(
    ("refund", "code"),
    [
        (None, "NOT_ON_CHAIN"),
        (replace(REFUND, amount=501), "OTHER_AMOUNT"),
        (replace(REFUND, payment=ident("pay", "q")), "OTHER_PAYMENT"),
        (replace(REFUND, provider="stripe"), "OTHER_PAYMENT"),
        (replace(REFUND, state="failed"), "NOT_ORDERED"),
    ],
)
def test_a_refund_order_must_be_what_the_chain_ordered(refund, code):
    check_refund(REFUND_ORDER, REFUND)
    assert refused(check_refund, REFUND_ORDER, refund) == code


def test_a_fact_has_the_identifier_of_its_natural_key():
    found = Found("succeeded", b"answer", "t1", Money(7, "USD"), Money(1, "USD"))
    fact = cleared_fact(ident("ctr", "c"), ident("pay", "p"), "alipay", found)
    assert decode(encode(fact)) == fact
    assert fact.amount == WireMoney("USD", "7")
    assert fact.id == event_id("payment.cleared", ident("pay", "p"), "t1")
    assert fact.id != event_id("payment.cleared", ident("pay", "p"), "t2")
    fee = fee_fact(ident("pay", "p"), "alipay", found)
    assert decode(encode(fee)) == fee
    assert fee_fact("p", "alipay", Found("succeeded", b"", fee=Money(0, "USD"))) is None
    assert fee_fact("p", "alipay", Found("succeeded", b"")) is None
    with pytest.raises(ValueError, match="has an amount"):
        cleared_fact("c", "p", "alipay", Found("succeeded", b""))


def test_every_arrival_and_every_fee_is_told_once():
    contract, payment = ident("ctr", "c"), ident("pay", "p")
    open_fee = Found("succeeded", b"1", "t1", Money(7, "USD"), fee_follows=True)
    first = news(contract, payment, "stripe", (), (open_fee, open_fee, Found("pending", b"")))
    assert [type(fact) for fact in first.facts] == [PaymentCleared]
    assert first.arrivals == (Arrival("t1", Money(7, "USD"), payment, fee_open=True),)
    booked = Found("succeeded", b"2", "t1", Money(7, "USD"), Money(1, "USD"))
    second = news(contract, payment, "stripe", first.arrivals, (booked, booked))
    assert [type(fact) for fact in second.facts] == [ProviderFee]
    assert news(contract, payment, "stripe", second.arrivals, (booked,)).facts == ()
    other = Found("succeeded", b"3", "t2", Money(7, "USD"))
    (fact,) = news(contract, payment, "stripe", second.arrivals, (booked, other)).facts
    assert fact.payment != payment
    assert decode(encode(fact)) == fact


@pytest.mark.parametrize("report", ["paid", "failed", "returned", "manual"])
def test_every_report_of_a_payout_is_a_transaction(report):
    step = Step(Machine(reference="ref1", reason="why"), report)
    outcome = {"paid": Sent("ref1", b"raw"), "returned": Returned("why", Money(90, "CNY"))}.get(
        report, Rejected("why")
    )
    fact = payout_result(PAYOUT.id, Money(100, "CNY"), step, outcome)
    assert decode(encode(fact)) == fact
    if isinstance(fact, PayoutPaid):
        assert fact.reference == "ref1"
    if isinstance(fact, PayoutReturned):
        assert fact.amount == WireMoney("CNY", "90")


def test_a_return_without_an_amount_is_of_the_whole_order():
    step = Step(Machine(reason="why"), "returned")
    fact = payout_result(PAYOUT.id, Money(100, "CNY"), step, Rejected("why"))
    assert fact.amount == WireMoney("CNY", "100")


@pytest.mark.parametrize(
    ("report", "kind"),
    [
        ("paid", RefundPaid),
        ("failed", RefundFailed),
        ("returned", RefundFailed),
        ("manual", type(None)),
        (None, type(None)),
    ],
)
def test_every_report_of_a_refund_is_a_transaction_where_there_is_a_word_for_it(report, kind):
    fact = refund_result(ident("ctr", "c"), REFUND.id, Step(Machine(reference="r", reason="why"), report))
    assert isinstance(fact, kind)
    if fact is not None:
        assert decode(encode(fact)) == fact


def test_looks_become_rarer_up_to_a_bound():
    pauses = [next_look_ms(0, looks) for looks in range(30)]
    assert pauses == sorted(pauses)
    assert pauses[0] == 15 * 60_000
    assert pauses[-1] == 4 * 3_600_000
