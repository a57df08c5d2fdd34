"""Rates and quotes through the real bootstrap: exact fractions, fresh snapshots, refusals that are seen."""

from fractions import Fraction

import pytest
from chain_kit import API
from chain_world import ident
from settlement_fakes import DAY, crash_once_at, document
from settlement_town import SettlementTown

from settlement.core.rates import DAY_MS, HOUR_MS
from sps.transactions.values import WireMoney
from sps.transactions.vocabulary import AcceptQuote, RequestQuote

NEXT_DAY = "2023-11-15"


@pytest.fixture
async def town(tmp_path, database_url):
    async with SettlementTown(tmp_path, database_url=database_url) as built:
        yield built


async def published(town, raw=None):
    """A document on the chain; returns the code of its receipt."""
    assert await town.rates(raw) == "submit"
    receipts = await town.next_block()
    return next(receipt.code for receipt in receipts if receipt.kind == "rates.publish.v1")


def state_of(town, quote):
    return town.chain.state.quotes[quote].state


async def lock_waits(town):
    """Whether a lock waits for a block, after settlement had every chance to make one."""
    while await town.settlement.quotes.round():
        pass
    return await town.under_way() > 0


async def test_a_quote_is_locked_converted_and_equals_the_exact_fractions(town):
    assert await published(town) == "OK"
    deal = await town.released()
    quote = await town.quote(deal, 98_765)
    await town.next_block()
    locked = town.chain.state.quotes[quote]
    exact = 1 / Fraction("7.8512")
    rate = Fraction(locked.num, locked.den)
    assert 0 <= exact - rate < exact / 10**11, "twelve digits, downwards"
    spread = -(-98_765 * 50 // 10_000)
    out = (98_765 - spread) * rate
    assert (locked.spread, locked.out) == (spread, out.numerator // out.denominator)
    await town.say(API, AcceptQuote(deal.event(), quote))
    balances = await town.balances()
    assert balances["5000/EUR"] == locked.out
    assert balances["5000/CNY"] == -(98_765 - spread)
    assert balances["3010/CNY-EUR/CNY"] == -spread
    assert balances[f"2100/{deal.seller}/EUR"] == -locked.out
    await town.check()
    for word in ("requested", "locked", "used"):
        assert town.count("sps_quotes_total", result=word) == 1


async def test_a_request_without_rates_is_locked_when_they_arrive(town):
    deal = await town.released()
    quote = await town.quote(deal, 1_000)
    assert not await lock_waits(town)
    assert await published(town) == "OK"
    await town.next_block()
    assert state_of(town, quote) == "locked"


async def test_a_request_that_never_gets_a_rate_expires_and_waits_no_more(town):
    deal = await town.released()
    quote = await town.quote(deal, 1_000)
    await town.block(town.chain.state.time_ms + 11 * 60_000)
    assert state_of(town, quote) == "expired"
    assert await published(town) == "OK"
    assert not await lock_waits(town)
    assert town.count("sps_quotes_total", result="expired") == 1


async def test_rates_older_than_a_day_and_a_quarter_make_no_locks(town):
    await published(town)
    deal = await town.released()
    await town.block(town.chain.state.time_ms + 22 * HOUR_MS)
    quote = await town.quote(deal, 1_000)
    assert not await lock_waits(town)
    assert await published(town, document(NEXT_DAY)) == "OK"
    await town.next_block()
    assert state_of(town, quote) == "locked"
    assert town.chain.state.quotes[quote].document == town.chain.state.rates.document


async def test_a_quote_in_a_currency_without_a_rate_waits_and_disturbs_nobody(town):
    await published(town)
    deal = await town.released()
    odd, good = await town.quote(deal, 1_000, "SEK", "odd"), await town.quote(deal, 1_000, "EUR", "good")
    await town.next_block()
    assert (state_of(town, odd), state_of(town, good)) == ("requested", "locked")


async def test_a_request_that_ended_during_an_absence_is_not_locked(town):
    await published(town)
    deal = await town.released()
    await town.down()
    quote = await _asked_meanwhile(town, deal)
    await town.chain.block(town.chain.state.time_ms + 11 * 60_000)
    await town.up()
    await town.folded()
    assert not await lock_waits(town)
    assert state_of(town, quote) == "expired"


async def test_a_request_of_a_short_absence_is_locked_at_the_newest_block_time(town):
    await published(town)
    deal = await town.released()
    await town.down()
    quote = await _asked_meanwhile(town, deal)
    await town.chain.block(town.chain.state.time_ms + 5 * 60_000)
    await town.up()
    await town.next_block()
    assert state_of(town, quote) == "locked"
    assert town.chain.state.quotes[quote].expires_ms > town.chain.state.time_ms


async def _asked_meanwhile(town, deal):
    quote = ident("quo", "meanwhile")
    asked = RequestQuote(deal.event(), quote, deal.seller, WireMoney("CNY", "1000"), "EUR")
    await town.chain.say(API, asked)
    await town.chain.block()
    return quote


async def test_a_lock_that_was_ordered_too_late_is_offered_again(tmp_path):
    async with SettlementTown(tmp_path, quote_life_ms=5_000) as town:
        await published(town)
        deal = await town.released()
        quote = await town.quote(deal, 1_000)
        await town.until(town.chain.waiting)
        await town.block(town.chain.state.time_ms + 60_000)
        assert state_of(town, quote) == "requested"
        assert town.count("sps_quotes_total", result="refused") == 1
        await town.next_block()
        assert state_of(town, quote) == "locked"


@pytest.mark.parametrize(
    "step", ["relay.stored", "relay.appended", "settlement.quotes", "follower.committed"]
)
async def test_a_crash_between_request_offer_and_chain_locks_once(town, step):
    await published(town)
    deal = await town.released()
    town.probe = crash_once_at(step)
    quote = ident("quo", "crash")
    await town.chain.say(API, RequestQuote(deal.event(), quote, deal.seller, WireMoney("CNY", "1000"), "EUR"))
    await town.chain.block()
    await town.settlement.failed()
    await town.again()
    await town.next_block()
    assert state_of(town, quote) == "locked"
    assert not await lock_waits(town)
    kinds = [receipt.kind for receipt in town.chain.receipts]
    assert kinds.count("quote.lock.v1") == 1


async def test_the_same_document_is_put_on_the_chain_once(town):
    assert await published(town) == "OK"
    for _ in range(3):
        assert await town.rates() == "known"
    await town.again()
    await town.folded()
    assert await town.rates() == "known"
    assert town.count("sps_rates_age_seconds") == pytest.approx(
        (town.clock.now_ms() - town.chain.state.rates.as_of_ms) / 1000
    )


async def test_a_weekend_repeats_the_document_of_friday_and_it_still_serves(town):
    friday, saturday = "2023-11-17", 3 * DAY_MS
    await town.block(town.chain.state.time_ms + saturday)
    assert await published(town, document(friday)) == "OK"
    await town.block(town.chain.state.time_ms + 2 * DAY_MS - 8 * HOUR_MS)  # Monday afternoon
    assert await town.rates(document(friday)) == "known"
    deal = await town.released()
    quote = await town.quote(deal, 1_000)
    await town.next_block()
    assert state_of(town, quote) == "locked"


async def test_a_jump_is_refused_counted_and_not_sent_again_until_the_old_rates_are_no_measure(town):
    await published(town)
    jumped = document(NEXT_DAY, USD="2.0000")
    await town.block(town.chain.state.time_ms + 20 * HOUR_MS)
    assert await published(town, jumped) == "JUMP_NEEDS_APPROVAL"
    assert town.count("sps_rates_refused_total", code="JUMP_NEEDS_APPROVAL") == 1
    for _ in range(3):
        assert await town.rates(jumped) == "refused"
    assert not await town.chain.waiting()
    await town.block(town.chain.state.rates.as_of_ms + 4 * DAY_MS + HOUR_MS)
    assert await published(town, jumped) == "OK"
    assert await town.rates(jumped) == "known"


async def test_a_source_that_wavers_is_not_followed(town):
    await published(town)
    await town.block(town.chain.state.time_ms + 20 * HOUR_MS)
    for usd in ("2.0", "3.0", "4.0"):
        assert await published(town, document(NEXT_DAY, USD=usd)) == "JUMP_NEEDS_APPROVAL"
    assert await town.rates(document(NEXT_DAY, USD="5.0")) == "wavering"


@pytest.mark.parametrize(
    ("day", "why"), [("2023-11-16", "early"), ("2023-11-09", "old"), ("2023-11-13", "not_newer")]
)
async def test_what_the_chain_would_refuse_by_its_plain_rules_is_not_sent(town, day, why):
    await published(town)
    assert await town.rates(document(day)) == why
    assert not await town.chain.waiting()


async def test_trouble_of_the_source_and_bad_documents_never_make_the_service_unready(tmp_path):
    async with SettlementTown(tmp_path) as town:
        await town.block()
        await town.settlement.follower.caught_up()
        for raw in (None, b"", b"<html>maintenance</html>", document()[:100], document(USD="-1")):
            town.source.raw = raw
            assert not await town.settlement.rates.round()
        assert town.settlement.ready()
        town.source.raw = document(DAY)
        assert await town.settlement.rates.round()
        await town.next_block()
        assert town.chain.state.rates is not None
        assert town.count("sps_rate_documents_total", result="bad") == 4
        assert town.count("sps_rate_documents_total", result="unreachable") >= 1
