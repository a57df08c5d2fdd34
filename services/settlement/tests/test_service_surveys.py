"""The surveys of settlement: what is held, what does not sum to zero, and how many contracts are where."""

import pytest
from chain_kit import API, PAYMENT
from chain_world import Deal, terms
from settlement_town import SettlementTown
from sqlalchemy import update

from settlement.adapters import tables
from settlement.adapters.books import BookReader
from settlement.application.take_stock import SumBooks

CONTRACTS = 1_000
A_BLOCK = 250


@pytest.fixture
async def town(tmp_path, database_url):
    async with SettlementTown(tmp_path, database_url=database_url) as built:
        yield built


async def surveyed(town):
    await SumBooks(BookReader(town.settlement.database), town.settlement.metrics.books)()
    await town.settlement._count_contracts()


def series(town):
    """Every line that a scrape would bring, without its value."""
    samples = [sample for family in town.settlement.registry.collect() for sample in family.samples]
    return {(sample.name, *sorted(sample.labels.items())) for sample in samples}


async def test_what_is_held_and_where_contracts_are_is_counted(town):
    held = Deal("held", terms())
    await town.say(API, held.offer(), held.accept(), Deal("offered", terms()).offer())
    await town.say(PAYMENT, held.pay())
    await town.released("released")
    await surveyed(town)
    assert town.count("sps_escrow_held_minor_units", currency="CNY") == 100_000
    assert town.count("sps_ledger_balance_minor_units", account="2000", currency="CNY") == -100_000
    assert town.count("sps_ledger_imbalance_minor_units", currency="CNY") == 0
    counts = {
        state: town.count("sps_contracts", state=state)
        for state in ("OFFERED", "FUNDED", "SETTLING", "CLOSED")
    }
    assert counts["OFFERED"] == 1
    assert counts["FUNDED"] == 1
    assert sum(counts.values()) == 3


async def test_a_row_that_was_changed_by_hand_does_not_sum_to_zero(town):
    await town.released()
    account = tables.account
    async with town.settlement.database.transaction() as connection:
        await connection.execute(
            update(account).where(account.c.code == "2100").values(credits=account.c.credits + 7)
        )
    await surveyed(town)
    assert town.count("sps_ledger_imbalance_minor_units", currency="CNY") == 7


async def test_a_deadline_that_no_block_fires_is_overdue(town):
    deal = Deal("late", terms())
    await town.say(API, deal.offer())
    assert town.count("sps_contract_deadline_overdue_seconds") == 0
    due_ms = town.chain.state.next_deadline_ms()
    town.clock.advance(due_ms - town.clock.now_ms() + 90_000)
    assert town.count("sps_contract_deadline_overdue_seconds") == pytest.approx(90)
    await town.block(due_ms + 1)
    assert town.count("sps_contract_deadline_overdue_seconds") == 0


async def test_a_thousand_contracts_make_no_more_series_than_one(town):
    async def trade(numbers):
        deals = [Deal(f"deal {number}", terms()) for number in numbers]
        await town.say(API, *(fact for deal in deals for fact in (deal.offer(), deal.accept())))
        await town.say(PAYMENT, *(deal.pay() for deal in deals))

    await trade(range(1))
    await surveyed(town)
    before = series(town)
    for start in range(1, CONTRACTS, A_BLOCK):
        await trade(range(start, min(CONTRACTS, start + A_BLOCK)))
    await surveyed(town)
    assert series(town) == before
    assert town.count("sps_contracts", state="FUNDED") == CONTRACTS
    assert town.count("sps_escrow_held_minor_units", currency="CNY") == 100_000 * CONTRACTS


async def test_how_old_a_block_is_when_its_effect_is_committed_is_measured_only_for_news(town):
    def measured():
        return town.count("sps_event_age_seconds_count", topic="sps.blocks.v1")

    await town.settlement.follower.caught_up()
    await town.released("news")
    blocks = measured()
    assert blocks == 4
    await town.down()
    for number in range(10):
        await town.chain.say(API, Deal(f"missed {number}", terms()).offer())
        await town.chain.block()
    await town.up()
    await town.folded()
    assert measured() == 0
