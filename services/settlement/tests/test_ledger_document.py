"""docs/ledger.md says what the program does: its made parts do not drift, its examples are executed."""

import re

from chain_world import Deal, World, h32, ident, many_tranches, terms
from ledger_document import DOCUMENT, PARTS, SAMPLES, remade, rows

from settlement.adapters.tables import METADATA
from settlement.core.quotes import QuotePolicy, lock
from settlement.core.rates import DAILY_AGE_MS, DAY_MS, FRIDAY, HOUR_MS, TRIES_MAX, good_until_ms
from sps.chain.receipt import OK
from sps.ledger.fx import convert_buy, parse_rate
from sps.transactions.terms import Fees
from sps.transactions.values import WireMoney
from sps.transactions.vocabulary import AcceptQuote, PublishRates, Rate, RequestQuote

TEXT = DOCUMENT.read_text(encoding="utf-8")


def test_the_made_parts_are_those_of_the_program():
    assert set(re.findall(r"<!-- made: (\w+) -->", TEXT)) == set(PARTS)
    assert remade(TEXT) == TEXT, "run python tests/support/ledger_document.py"


def test_every_row_of_the_program_has_a_sample_that_names_it():
    assert set(rows()) == set(SAMPLES)
    for name, sample in SAMPLES.items():
        assert sample().kind == name.upper().replace("_MIRROR", "M")


def test_every_table_of_the_books_is_described():
    own = set(METADATA.tables) - {"outbox_transaction", "outbox_batch"}
    assert {name for name in own if f"`{name}`" not in TEXT} == set()


def test_the_age_of_rates_is_the_one_that_is_described():
    friday_ms = 4 * DAY_MS + FRIDAY * DAY_MS  # 1970-01-05 was a Monday
    hours = DAILY_AGE_MS // HOUR_MS, (good_until_ms(friday_ms) - friday_ms) // HOUR_MS
    assert "rates up to {} hours old, over a weekend {} hours".format(*hours) in TEXT
    assert TRIES_MAX == 3
    assert "three times at most" in TEXT


def lines_of(receipts, *kinds):
    return [
        (p.account, p.amount) for r in receipts for j in r.journals if j.kind in kinds for p in j.postings
    ]


def test_the_example_of_release_and_conversion_is_what_execution_posts():
    world = World()
    deal = Deal("usd", terms(100_000, currency="USD", fees=Fees(fee_bp=150)))
    world.do(deal.offer(), deal.accept(), deal.pay(), deal.book())
    posted = lines_of(world.do(deal.delivered(world.now_ms)), "P20")
    rates = (Rate("USD", "1000000", "923150"),)
    world.do(PublishRates(deal.event(), "ecb", "EUR", world.now_ms, h32("rates"), rates))
    quote = ident("quo", "example")
    world.do(RequestQuote(deal.event(), quote, deal.seller, WireMoney("USD", "98500"), "EUR"))
    made = lock(quote, world.state, QuotePolicy(50, 120_000))
    assert made is not None
    world.do(made)
    posted += lines_of(world.do(AcceptQuote(deal.event(), quote)), "P31")
    shown = [
        (account, int(amount))
        for account, amount in re.findall(
            r"^\| P(?:20|31) \| `([^`]+)` \| (-?[0-9]+) \|$", TEXT, re.MULTILINE
        )
    ]
    named = {deal.id: "K", deal.seller: "S"}
    for identifier, letter in named.items():
        posted = [(account.replace(identifier, letter), amount) for account, amount in posted]
    posted = [(re.sub(r"^3000/[^/]+", "3000/plan", account), amount) for account, amount in posted]
    assert sorted(posted) == sorted(shown)
    assert sorted(amount for _, amount in shown) == sorted(
        [100_000, -1_500, -98_500, 98_500, -493, -98_007, 90_475, -90_475]
    )


def test_the_example_of_three_tranches_takes_five_hundred_each():
    world = World()
    tranches = many_tranches((33_333, 33_333, 33_334), (("p1",), ("p2",), ("p3",)))
    deal = Deal("three", terms(100_000, tranches=tranches, fees=Fees(fee_bp=150)))
    world.do(deal.offer(), deal.accept(), deal.pay())
    fees = []
    for parcel in ("p1", "p2", "p3"):
        world.do(deal.book(parcel))
        done = world.do(deal.delivered(world.now_ms, parcel))
        fees += [-amount for account, amount in lines_of(done, "P20", "P21") if account.startswith("3000/")]
    assert fees == [500, 500, 500]
    assert "500 + 500 + 500 = 1500" in TEXT


def test_the_example_of_a_purchase_is_the_formula():
    num, den = parse_rate("151.2345")
    bought = convert_buy(100_000, den, num, 50, 0, 2)
    assert (bought.mid, bought.spread, bought.total) == (151_235, 757, 151_992)
    for number in ("151235", "757", "151992"):
        assert number in TEXT


def test_what_the_picture_shows_is_what_a_normal_contract_posts():
    world, deal = World(), Deal("picture")
    for step in (deal.offer, deal.accept, deal.pay, deal.book):
        world.do(step())
    receipts = world.do(deal.delivered(world.now_ms))
    assert all(receipt.code == OK for receipt in receipts)
    kinds = [journal.kind for receipt in world.receipts for journal in receipt.journals]
    assert [kind for kind in kinds if not kind.endswith("M") and kind not in {"P01", "P02"}] == ["P03", "P20"]
