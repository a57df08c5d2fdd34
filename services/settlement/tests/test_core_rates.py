"""The pure part of conversion: locks, news of quotes, advice on rates."""

import pytest
from chain_world import booked, h32, ident
from msgspec.structs import replace

from settlement.core.quotes import QuoteNews, QuotePolicy, lock, news_of, usable
from settlement.core.rates import (
    DAY_MS,
    HOUR_MS,
    JUMP,
    OPEN,
    PublishedRate,
    RateDocument,
    Submitted,
    Verdict,
    advice,
    good_until_ms,
    publication,
    verdicts_of,
)
from sps.chain.genesis import FxRules
from sps.chain.receipt import Receipt
from sps.escrow.state import RateSnapshot
from sps.transactions.values import WireMoney
from sps.transactions.vocabulary import PublishRates, Rate, RequestQuote

RULES = FxRules()
NOW_MS = 1_700_000_000_000  # a Tuesday, 22:13 UTC
AS_OF_MS = NOW_MS - 9 * HOUR_MS


def receipt(code="OK", kind="x", subject="s", transaction=""):
    return Receipt(7, 0, kind, code, subject, transaction)


# --- quotes ------------------------------------------------------------------------------------


def world_with_quote(as_of_ms=0, amount=50_000):
    world, deal = booked()
    world.do(deal.delivered(world.now_ms))
    rates = (Rate("CNY", "78512", "10000"), Rate("USD", "217", "200"))
    world.do(PublishRates(deal.event(), "ecb", "EUR", as_of_ms or world.now_ms, h32("rates"), rates))
    quote = ident("quo", "q")
    asked = RequestQuote(deal.event(), quote, deal.seller, WireMoney("CNY", str(amount)), "EUR")
    return world, quote, world.do(asked)


def test_a_lock_is_taken_by_the_chain_as_it_is():
    world, quote, _ = world_with_quote()
    made = lock(quote, world.state, QuotePolicy(50, 120_000))
    assert made is not None
    world.do(made)
    assert world.state.quotes[quote].state == "locked"
    assert lock(quote, world.state, QuotePolicy(50, 120_000)) is None, "it is not open any more"


def test_the_same_lock_is_the_same_fact_and_another_is_another():
    world, quote, _ = world_with_quote()
    policies = [
        QuotePolicy(50, 120_000),
        QuotePolicy(50, 120_000),
        QuotePolicy(51, 120_000),
        QuotePolicy(50, 9),
    ]
    ids = [made.id for policy in policies if (made := lock(quote, world.state, policy))]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_there_is_no_lock_of_what_is_unknown_or_over():
    world, quote, _ = world_with_quote()
    assert lock(ident("quo", "other"), world.state, QuotePolicy(50, 1)) is None
    world.wait(11 * 60_000)
    assert lock(quote, world.state, QuotePolicy(50, 1)) is None


def test_rates_serve_no_longer_than_both_limits():
    world, _, _ = world_with_quote()
    end_ms = good_until_ms(world.state.rates.as_of_ms)
    world.wait(end_ms - world.state.time_ms)
    assert usable(world.state) is not None
    world.wait(1)
    assert usable(world.state) is None


def test_news_tell_requests_locks_uses_ends_and_refusals_apart():
    receipts = [
        receipt(kind="quote.request.v1", subject="a"),
        receipt(kind="quote.request.v1", subject="no", code="INSUFFICIENT_FUNDS"),
        receipt(kind="quote.lock.v1", subject="b"),
        receipt(kind="quote.lock.v1", subject="c", code="UNKNOWN_RATES"),
        receipt(kind="quote.lock.v1", subject="d", code="QUOTE_LIFE"),
        receipt(kind="quote.accept.v1", subject="e"),
        receipt(kind="deadline.quote", subject="f"),
        receipt(kind="deadline.pay", subject="g"),
    ]
    news = news_of(receipts)
    assert news == QuoteNews(("a",), ("b",), ("e",), ("f",), ("c", "d"), ("d",))
    assert news.over == ("b", "f")


# --- rates -------------------------------------------------------------------------------------


def rate_document(as_of_ms=AS_OF_MS, name="doc", code="USD"):
    return RateDocument("ecb", "EUR", as_of_ms, bytes.fromhex(h32(name)), (PublishedRate(code, 217, 200),))


def snapshot(as_of_ms, name="chain"):
    return RateSnapshot("ecb", "EUR", as_of_ms, h32(name), (("USD", 217, 200),))


@pytest.mark.parametrize(
    ("weekday", "hours"), [(0, 30), (1, 30), (2, 30), (3, 30), (4, 78), (5, 54), (6, 30)]
)
def test_rates_of_friday_serve_over_the_weekend(weekday, hours):
    monday_ms = 4 * DAY_MS + 13 * HOUR_MS  # 1970-01-05
    as_of_ms = monday_ms + weekday * DAY_MS
    assert good_until_ms(as_of_ms) == as_of_ms + hours * HOUR_MS


OLD = snapshot(AS_OF_MS - DAY_MS)
AGED = snapshot(AS_OF_MS - 5 * DAY_MS)


@pytest.mark.parametrize(
    ("before", "same_time", "chain", "expected"),
    [
        (None, 0, None, "submit"),
        (None, 0, OLD, "submit"),
        (None, 2, OLD, "submit"),
        (None, 3, OLD, "wavering"),
        (Submitted(1, OPEN), 0, OLD, "open"),
        (Submitted(1, "OK"), 0, snapshot(AS_OF_MS, "doc"), "known"),
        (None, 0, snapshot(AS_OF_MS, "doc"), "known"),
        (None, 0, snapshot(AS_OF_MS), "not_newer"),
        (Submitted(1, JUMP), 0, OLD, "refused"),
        (Submitted(1, JUMP), 0, AGED, "submit"),
        (Submitted(1, JUMP), 0, None, "submit"),
        (Submitted(3, JUMP), 0, AGED, "refused"),
        (Submitted(1, "RATE_TWICE"), 0, AGED, "refused"),
    ],
)
def test_advice(before, same_time, chain, expected):
    assert advice(rate_document(), before, same_time, chain, RULES, NOW_MS) == expected


@pytest.mark.parametrize(
    ("as_of_ms", "expected"), [(NOW_MS + HOUR_MS, "early"), (NOW_MS - 5 * DAY_MS, "old")]
)
def test_a_document_out_of_its_time_is_not_sent(as_of_ms, expected):
    assert advice(rate_document(as_of_ms), None, 0, None, RULES, NOW_MS) == expected


def test_each_try_is_a_fact_of_its_own_and_a_repeat_of_it_the_same():
    document = rate_document()
    assert publication(document, 1) == publication(document, 1)
    assert publication(document, 1).id != publication(document, 2).id
    assert replace(publication(document, 2), id=publication(document, 1).id) == publication(document, 1)


def test_verdicts_are_read_for_rates_only_and_a_repeat_is_good():
    receipts = [
        receipt(kind="rates.publish.v1", transaction="a"),
        receipt(kind="rates.publish.v1", transaction="b", code="DUPLICATE"),
        receipt(kind="rates.publish.v1", transaction="c", code=JUMP),
        receipt(kind="quote.lock.v1", transaction="d", code=JUMP),
    ]
    assert verdicts_of(receipts) == [Verdict("a", "OK"), Verdict("b", "OK"), Verdict("c", JUMP)]
