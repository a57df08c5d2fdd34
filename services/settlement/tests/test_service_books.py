"""The books through the real bootstrap: what the chain decided, to the unit, exactly once."""

import httpx
import pytest
from chain_kit import API, PAYMENT, SETTLEMENT, ChainKit, make_genesis, signer
from chain_world import Deal, h32, ident, terms
from msgspec.structs import replace
from settlement_fakes import Nobody
from settlement_town import TOKEN, SettlementTown
from sqlalchemy import text

from settlement.adapters.opening import OtherChain
from settlement.bootstrap import bootstrap
from settlement.core.books import OutOfBalance
from sps.chain.genesis import Parameters
from sps.runtime.member import WrongKey
from sps.transactions.orders import open_order
from sps.transactions.values import WireMoney
from sps.transactions.vocabulary import AcceptQuote, RequestPayout


@pytest.fixture
async def town(tmp_path, database_url):
    async with SettlementTown(tmp_path, database_url=database_url) as built:
        yield built


async def test_the_books_after_a_full_road_are_those_of_the_chain_and_of_the_naive_book(town):
    await town.full_road()
    await town.two_tranches()
    await town.check()
    assert {line.currency for line in await town.reader.trial_balance()} == {"CNY", "EUR"}
    for currency in ("CNY", "EUR"):
        assert sum(value for name, value in (await town.balances()).items() if name.endswith(currency)) == 0


async def test_every_payout_and_refund_becomes_one_order_signed_by_settlement(town):
    await town.full_road()
    records = await town.all_orders_published()
    opened = {
        name: open_order(next(iter(bodies)), signer(SETTLEMENT).public_key, town.chain.kit.chain_id)
        for name, bodies in records.items()
    }
    assert sorted(order.kind for order in opened.values()) == ["payout", "refund"]
    for name, order in opened.items():
        decided = town.chain.state.payouts.get(name)
        if decided is not None:
            assert (order.beneficiary, order.amount.minor) == (decided.beneficiary, str(decided.amount))


async def test_what_happened_during_an_absence_is_folded_block_by_block(town):
    await town.down()
    for number in range(70):
        deal = Deal(f"away {number}", terms())
        await town.chain.say(API, deal.offer(), deal.accept())
        await town.chain.say(PAYMENT, deal.pay())
        await town.chain.block()
    await town.up()
    await town.folded()
    await town.check()


async def test_a_database_of_another_chain_is_refused_in_plain_words(town, tmp_path, database_url):
    await town.full_road()
    await town.down()
    other = ChainKit(genesis=make_genesis(1, Parameters(heartbeat_ms=9_999)))
    stranger = SettlementTown(tmp_path, kit=other, database_url=database_url)
    await stranger.log.start()
    with pytest.raises(OtherChain, match="books of chain"):
        await stranger.up()
    await stranger.down()
    await town.up()


async def test_a_key_that_the_genesis_does_not_name_is_refused(town, tmp_path):
    wrong = tmp_path / "wrong.key"
    wrong.touch(0o600)
    wrong.write_text("07" * 32)
    with pytest.raises(WrongKey, match="WRONG_KEY"):
        await bootstrap(town.settings(key=wrong), log=town.log, peers=Nobody())


async def test_a_balance_changed_by_hand_stops_the_fold_and_the_cursor(town):
    await town.released("first")
    async with town.settlement.database.transaction() as connection:
        await connection.execute(
            text("UPDATE account SET debits = debits + 1 WHERE address = '1000/alipay/CNY'")
        )
    before = await town.reader.head()
    deal = Deal("second", terms())
    await town.chain.say(API, deal.offer(), deal.accept())
    await town.chain.say(PAYMENT, deal.pay())
    await town.chain.block()
    await town.settlement.failed()
    assert isinstance(town.settlement.defect, OutOfBalance)
    assert await town.reader.head() == before
    assert not town.settlement.ready()


async def test_an_account_changed_by_hand_while_nobody_looked_is_found_at_the_next_start(town):
    await town.released("first")
    async with town.settlement.database.transaction() as connection:
        await connection.execute(text("UPDATE account SET credits = credits + 7 WHERE address LIKE '2100/%'"))
    await town.again()
    await town.chain.block()
    await town.settlement.failed()
    assert "2100/" in str(town.settlement.defect)


async def test_books_are_read_page_by_page_and_only_with_the_token(town):
    await town.full_road()
    everything = await town.reader.trial_balance()
    async with httpx.AsyncClient(base_url=town.settlement.server.url, trust_env=False) as client:
        assert (await client.get("/internal/books/trial-balance")).status_code == 401
        client.headers["authorization"] = f"Bearer {TOKEN}"
        seen, after = [], ""
        while after is not None:
            page = (
                await client.get("/internal/books/trial-balance", params={"after": after, "limit": 5})
            ).json()
            seen += [line["account"] for line in page["data"]]
            after = page["after"]
        assert page["height"] == town.chain.state.height
        lines = (await client.get("/internal/books/journal", params={"limit": 3})).json()["data"]
        assert (await client.get("/metrics")).status_code == 404, "only the monitor's port has it"
    async with httpx.AsyncClient(base_url=town.settlement.monitor.url, trust_env=False) as client:
        ready = await client.get("/health/ready")
        metrics = (await client.get("/metrics")).text
    assert seen == [line.address for line in everything]
    assert len(lines) == 3
    names = ("loops", "chain", "database", "event_log")
    assert ready.json() == {
        "ready": True,
        "started": True,
        "ending": False,
        "dependencies": dict.fromkeys(names, True),
    }
    assert "sps_journals_total" in metrics


async def test_metrics_count_what_was_folded(town):
    await town.full_road()
    await town.all_orders_published()
    journals = town.twin().journals[2:]  # the opening is written before anything is counted
    assert town.count("sps_postings_total") == sum(len(each.postings) for each in journals)
    for row in {each.kind for each in journals}:
        assert town.count("sps_journals_total", row=row) == sum(each.kind == row for each in journals)
    assert town.count("sps_orders_signed_total", kind="payout") == 1
    assert town.count("sps_orders_signed_total", kind="refund") == 1
    assert town.count("sps_orders_published_total") == 2
    assert town.count("sps_block_fold_seconds_count") == town.chain.state.height


async def test_books_below_zero_at_a_provider_raise_an_alarm_and_fold_on(tmp_path):
    async with SettlementTown(tmp_path, kit=ChainKit(genesis=replace(make_genesis(1), floats=()))) as town:
        first, second = await town.released("first"), await town.released("second")
        await town.say(PAYMENT, second.pay(number=2, currency="EUR", provider="stripe"))
        assert town.count("sps_books_provider_negative", provider="other", currency="CNY") == 0
        await town.rates()
        await town.next_block()
        quote = await town.quote(first, 100_000, "USD")
        await town.next_block()
        assert town.chain.state.quotes[quote].state == "locked"
        await town.say(API, AcceptQuote(first.event(), quote))
        out = town.chain.state.quotes[quote].out
        payout, money = ident("pyo", "out"), WireMoney("USD", str(out))
        cash_out = RequestPayout(first.event(), payout, first.seller, money, "stripe", h32("account"))
        await town.say(API, cash_out)
        await town.say(PAYMENT, first.payout_paid(payout))
        assert town.chain.state.balances["1000/stripe/USD"] == -out
        assert town.count("sps_books_provider_negative", provider="other", currency="USD") == out
        await town.again()
        await town.block()
        assert town.count("sps_books_provider_negative", provider="other", currency="USD") == out
        await town.check()
