"""Row S2; P30, P31; I-21 to I-23: rates, locks, and the use of a quote."""

import pytest
from chain_world import START_MS, Deal, World, booked, h32, ident

from sps.escrow.clocks import QUOTE_LOCK_MS_MAX, QUOTE_REQUEST_MS
from sps.escrow.conversion import rate_for
from sps.ledger import fx
from sps.transactions import vocabulary as facts
from sps.transactions.terms import DAY_MS
from sps.transactions.values import WireMoney

QUOTE = ident("quo", "one")


def rates(cny: str = "78150", day: int = 0, **fields: object) -> facts.PublishRates:
    """1 EUR = 7.8150 CNY = 1.0850 USD."""
    base: dict[str, object] = {
        "id": ident("evt", f"rates{day}"),
        "source": "ecb",
        "base": "EUR",
        "as_of_ms": START_MS + day * DAY_MS,
        "document": h32(f"doc{day}"),
        "rates": (facts.Rate("CNY", cny, "10000"), facts.Rate("USD", "10850", "10000")),
    }
    return facts.PublishRates(**(base | fields))


def seller() -> tuple[World, Deal]:
    world, deal = booked()
    world.do(deal.delivered(world.now_ms), rates())
    return world, deal


def ask(deal: Deal, minor: int = 50_000, to: str = "USD", quote: str = QUOTE) -> facts.RequestQuote:
    return facts.RequestQuote(deal.event(), quote, deal.seller, WireMoney("CNY", str(minor)), to)


def lock(world: World, deal: Deal, **fields: object) -> facts.LockQuote:
    num, den = rate_for(world.state.rates, "CNY", "USD")
    base: dict[str, object] = {
        "id": deal.event(),
        "quote": QUOTE,
        "document": h32("doc0"),
        "num": str(num),
        "den": str(den),
        "spread_bp": 50,
        "expires_ms": world.now_ms + 60_000,
    }
    return facts.LockQuote(**(base | fields))


def accept(deal: Deal) -> facts.AcceptQuote:
    return facts.AcceptQuote(deal.event(), QUOTE)


def test_s2_a_locked_quote_is_used_for_exactly_its_amount():
    world, deal = seller()
    world.do(ask(deal))
    (receipt,) = world.do(lock(world, deal))
    assert [j.kind for j in receipt.journals] == ["P30"]
    (receipt,) = world.do(accept(deal))
    assert [j.kind for j in receipt.journals] == ["P30M", "P31"]
    num, den = rate_for(world.state.rates, "CNY", "USD")
    sold = fx.convert_sell(50_000, num, den, 50, 2, 2)
    assert world.state.balances == {
        "1000/alipay/CNY": 100_000,
        f"2100/{deal.seller}/CNY": -50_000,
        "3010/CNY-USD/CNY": -sold.spread,
        "5000/CNY": -sold.converted,
        "5000/USD": sold.out,
        f"2100/{deal.seller}/USD": -sold.out,
    }
    assert world.state.quotes[QUOTE].state == "used"
    assert world.code(accept(deal)) == "DUPLICATE"


def test_s2_a_request_needs_free_money_and_two_currencies():
    world, deal = seller()
    assert world.code(ask(deal, 100_001)) == "INSUFFICIENT_FUNDS"
    assert world.code(ask(deal, 10**16)) == "AMOUNT_OUT_OF_BOUNDS"
    assert world.code(ask(deal, to="CNY")) == "SAME_CURRENCY"
    assert world.code(ask(deal, to="DEM")) == "UNKNOWN_CURRENCY"
    assert world.code(ask(deal, quote=deal.id)) == "BAD_IDENTIFIER"
    world.do(ask(deal))
    assert world.code(ask(deal)) == "DUPLICATE"
    assert world.code(ask(deal, 1)) == "CONFLICT"


def test_s2_a_request_that_nobody_answers_expires():
    world, deal = seller()
    world.do(ask(deal))
    (receipt,) = world.wait(QUOTE_REQUEST_MS)
    assert (receipt.kind, receipt.subject) == ("deadline.quote", QUOTE)
    assert world.code(lock(world, deal)) == "QUOTE_EXPIRED"
    assert world.code(accept(deal)) == "QUOTE_EXPIRED"


def test_s2_a_lock_expires_by_block_time_and_never_falls_back():
    world, deal = seller()
    world.do(ask(deal), lock(world, deal))
    receipts = world.block(accept(deal), at_ms=world.state.quotes[QUOTE].expires_ms)
    assert [receipt.code for receipt in receipts] == ["OK", "QUOTE_EXPIRED"]
    assert [j.kind for j in receipts[0].journals] == ["P30M"]
    assert not any(account.startswith("92") for account in world.state.balances)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"document": h32("other")}, "UNKNOWN_RATES"),
        ({"num": "1"}, "RATE_DIFFERS"),
        ({"spread_bp": 1_001}, "RATE_DIFFERS"),
        ({"expires_ms": START_MS}, "QUOTE_LIFE"),
        ({"expires_ms": START_MS + 2 * QUOTE_LOCK_MS_MAX}, "QUOTE_LIFE"),
        ({"quote": ident("quo", "none")}, "UNKNOWN_QUOTE"),
    ],
)
def test_i23_a_lock_is_the_formula_over_the_newest_snapshot(fields, code):
    world, deal = seller()
    world.do(ask(deal))
    assert world.code(lock(world, deal, **fields)) == code


def test_a_lock_again_is_a_repeat_and_another_rate_a_conflict():
    world, deal = seller()
    world.do(ask(deal), lock(world, deal))
    assert world.code(lock(world, deal)) == "DUPLICATE"
    assert world.code(lock(world, deal, spread_bp=10)) == "CONFLICT"


def test_a_lock_needs_a_rate_of_both_currencies_and_one_unit_of_proceeds():
    world, deal = seller()
    world.do(ask(deal, to="THB"))
    assert world.code(lock(world, deal)) == "RATE_MISSING"
    world.do(ask(deal, 1, quote=ident("quo", "tiny")))
    assert world.code(lock(world, deal, quote=ident("quo", "tiny"))) == "NOTHING_LEFT"


def test_a_lock_needs_fresh_rates():
    world, deal = seller()
    world.block(at_ms=START_MS + 4 * DAY_MS + 1)
    world.do(ask(deal))
    assert world.code(lock(world, deal)) == "RATES_TOO_OLD"


def test_an_accepted_quote_needs_the_money_still():
    world, deal = seller()
    world.do(ask(deal), lock(world, deal))
    amount = WireMoney("CNY", "60000")
    world.do(facts.RequestPayout(deal.event(), ident("pyo", "x"), deal.seller, amount, "alipay", h32("acc")))
    assert world.code(accept(deal)) == "INSUFFICIENT_FUNDS"
    assert world.code(facts.AcceptQuote(deal.event(), ident("quo", "none"))) == "UNKNOWN_QUOTE"


def test_a_request_without_a_lock_cannot_be_accepted():
    world, deal = seller()
    world.do(ask(deal))
    assert world.code(accept(deal)) == "QUOTE_STATE"


def test_rates_are_published_once_and_only_newer_ones():
    world, _ = seller()
    assert world.code(rates()) == "DUPLICATE"
    assert world.code(rates(as_of_ms=START_MS + 1)) == "CONFLICT"
    assert world.code(rates(day=1, as_of_ms=START_MS)) == "RATES_NOT_NEWER"
    world.wait(DAY_MS)
    world.do(rates(day=1))
    assert world.code(rates()) == "RATES_NOT_NEWER"


def test_rates_that_jump_need_an_approval_until_the_old_ones_are_no_measure():
    world, _ = seller()
    world.wait(DAY_MS)
    assert world.code(rates("90000", day=1)) == "JUMP_NEEDS_APPROVAL"
    world.wait(4 * DAY_MS)
    world.do(rates("90000", day=5))


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"as_of_ms": START_MS - 5 * DAY_MS}, "RATES_TOO_OLD"),
        ({"as_of_ms": START_MS + 5 * DAY_MS}, "RATES_TOO_OLD"),
        ({"base": "USD"}, "RATE_TWICE"),
        ({"base": "XXX"}, "UNKNOWN_CURRENCY"),
        ({"base": "CHF", "as_of_ms": START_MS + 1}, "RATE_BASE_DIFFERS"),
        ({"rates": (facts.Rate("CNY", "1", "1"),) * 2}, "RATE_TWICE"),
    ],
)
def test_bad_snapshots_are_refused(fields, code):
    world, _ = seller()
    assert world.code(rates(**({"document": h32("new")} | fields))) == code
