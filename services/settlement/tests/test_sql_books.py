"""The tables of the books: guards by CHECK, append only numbers, migrations there and back."""

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import IntegrityError

from settlement.adapters.book_writer import GUARD_WORDS, SqlBooks
from settlement.adapters.books import BookReader
from settlement.adapters.registers import SqlOrders, write_orders
from settlement.adapters.tables import METADATA, STREAM, account, inbox, journal, posting, rate_document
from settlement.core.books import Entry, Movement, OutOfBalance, movements_of
from sps.chain.receipt import Receipt
from sps.ledger.accounts import GUARDS, Guard
from sps.ledger.journal import BALANCE_MAX, Journal, Posting
from sps.runtime.clock import ManualClock
from sps.runtime.database import Database
from sps.runtime.errors import is_trouble
from sps.runtime.migrations import round_trip, upgrade
from sps.runtime.tables import block_cursor

BANK, HELD, PAYABLE = "1000/alipay/CNY", "2000/k/t1/CNY", "2100/s/CNY"


@pytest.fixture
async def database(database_url):
    await upgrade(database_url, "settlement")
    made = Database(database_url)
    yield made
    await made.stop()


def entry(n, kind, debit, credit, amount, subject="k"):
    return Entry(n, n, subject, "", Journal(kind, (Posting(debit, amount), Posting(credit, -amount))))


async def write(database, height, *entries, balances=None):
    moved = movements_of(entries)
    books = SqlBooks()
    async with database.transaction() as connection:
        if balances is None:
            stored = await books.balances(connection)
            balances = {a: stored.get(a, 0) + m.debits - m.credits for a, m in moved.items()}
        await books.record_movements(connection, height, moved, balances)
        await books.record_entries(connection, height, 1_000 * height, entries)


async def count(database, table):
    async with database.reading() as connection:
        return await connection.scalar(select(func.count()).select_from(table))


async def test_the_migrations_make_the_tables_there_and_back_and_there_again(database_url):
    await round_trip(database_url, "settlement", METADATA)


async def test_addresses_are_ordered_by_bytes_whatever_the_servers_alphabet_is(postgres_database):
    await upgrade(postgres_database, "settlement")
    made = Database(postgres_database)
    query = "SELECT collation_name FROM information_schema.columns WHERE column_name = 'address' AND table_schema = 'public'"
    async with made.reading() as connection:
        assert list(await connection.scalars(text(query))) == ["C", "C"]
    await made.stop()


async def test_books_of_the_first_release_are_kept_by_the_upgrade(database_url):
    await upgrade(database_url, "settlement", "0001")
    made = Database(database_url)
    await write(made, 1, entry(0, "P03", BANK, HELD, 100))
    async with made.transaction() as connection:
        old = "INSERT INTO rate_document (digest, source, as_of_ms, fetched_ms, document) VALUES ('d', 'ecb', 1, 2, '')"
        await connection.execute(text(old))
    await upgrade(database_url, "settlement")
    assert [line.amount for line in await BookReader(made).journal("k", 9)] == [100, -100]
    async with made.reading() as connection:
        row = (await connection.execute(select(rate_document))).one()
    assert (row.tries, row.verdict) == (1, "")
    await made.stop()


async def test_movements_add_up_over_blocks_and_debits_and_credits_only_grow(database):
    await write(database, 1, entry(0, "P03", BANK, HELD, 100))
    await write(database, 2, entry(0, "P20", HELD, PAYABLE, 60))
    lines = {line.address: line for line in await BookReader(database).trial_balance()}
    assert {a: (each.debits, each.credits) for a, each in lines.items()} == {
        BANK: (100, 0),
        HELD: (60, 100),
        PAYABLE: (0, 60),
    }
    assert list(lines) == sorted(lines)


async def test_a_balance_that_is_not_the_executed_one_is_refused_and_nothing_is_written(database):
    with pytest.raises(OutOfBalance, match="height 1") as caught:
        await write(database, 1, entry(0, "P03", BANK, HELD, 100), balances={BANK: 100, HELD: -99})
    assert not is_trouble(caught.value)
    assert [await count(database, table) for table in (account, journal, posting)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("debit", "credit"),
    [("2000/k/t1/CNY", "3000/p/CNY"), ("2300/p/CNY", "3000/p/CNY"), ("3000/p/CNY", "1300/s/CNY")],
)
async def test_the_database_itself_refuses_a_balance_of_the_wrong_sign(database, debit, credit):
    with pytest.raises(IntegrityError, match="guard") as caught:
        await write(database, 1, entry(0, "P20", debit, credit, 1))
    assert not is_trouble(caught.value)
    assert await count(database, account) == 0


async def test_a_guard_holds_for_an_account_that_exists_already(database):
    await write(database, 1, entry(0, "P03", BANK, HELD, 100))
    await write(database, 2, entry(0, "P20", HELD, PAYABLE, 100))
    with pytest.raises(IntegrityError, match="guard"):
        await write(database, 3, entry(0, "P20", HELD, PAYABLE, 1))


async def test_a_provider_account_below_zero_is_written(database):
    await write(database, 1, entry(0, "P41", "3000/p/CNY", BANK, 5))
    assert {line.address: line.balance for line in await BookReader(database).trial_balance()}[BANK] == -5


async def test_totals_beyond_the_bound_are_refused(database):
    with pytest.raises(IntegrityError, match="bounds"):
        async with database.transaction() as connection:
            await SqlBooks().record_movements(
                connection, 1, {"3000/p/CNY": Movement(BALANCE_MAX + 1, 0)}, {"3000/p/CNY": BALANCE_MAX + 1}
            )


async def test_no_journal_number_and_no_receipt_is_written_twice(database):
    await write(database, 1, entry(0, "P03", BANK, HELD, 100))
    with pytest.raises(IntegrityError):
        await write(database, 1, entry(0, "P03", BANK, HELD, 100))
    receipts = [Receipt(1, 0, "x", "OK", "k")]
    async with database.transaction() as connection:
        await SqlBooks().record_receipts(connection, receipts)
    with pytest.raises(IntegrityError):
        async with database.transaction() as connection:
            await SqlBooks().record_receipts(connection, receipts)
    assert await count(database, inbox) == 1


async def test_a_posting_needs_its_account_and_is_never_zero(database):
    row = {"height": 1, "n": 0, "i": 0, "address": BANK, "amount": 1}
    with pytest.raises(IntegrityError):
        async with database.transaction() as connection:
            await connection.execute(insert(posting).values(**row))
    await write(database, 1, entry(0, "P03", BANK, HELD, 100))
    with pytest.raises(IntegrityError, match="not_zero"):
        async with database.transaction() as connection:
            await connection.execute(insert(posting).values(**row | {"n": 9, "amount": 0}))


async def test_every_code_of_the_chart_can_be_opened_with_its_guard(database):
    assert set(GUARD_WORDS) == set(Guard)
    entries = [
        entry(n, "P03", f"{code}/x/CNY", "5100/capital/CNY", 1)
        if guard is not Guard.NEVER_POSITIVE
        else entry(n, "P03", "5100/capital/CNY", f"{code}/x/CNY", 1)
        for n, (code, guard) in enumerate(GUARDS.items())
        if code != "5100"
    ]
    await write(database, 1, *entries)
    async with database.reading() as connection:
        rows = await connection.execute(select(account.c.code, account.c.guard))
        found = {row.code: row.guard for row in rows}
    assert found == {code: GUARD_WORDS[guard] for code, guard in GUARDS.items()}


async def test_a_block_may_touch_more_accounts_than_one_statement_asks_for(database):
    many = [entry(n, "P03", BANK, f"2000/k{n:04}/t1/CNY", n + 1) for n in range(1_203)]
    await write(database, 1, *many)
    await write(database, 2, *many)
    trial = await BookReader(database).trial_balance()
    assert len(trial) == 1_204
    assert sum(line.balance for line in trial) == 0


async def test_the_journal_is_read_newest_first_told_oldest_first(database):
    await write(database, 1, entry(0, "P03", BANK, HELD, 100, "a"), entry(1, "P03", BANK, HELD, 7, "b"))
    await write(database, 2, entry(0, "P20", HELD, PAYABLE, 60, "a"))
    reader = BookReader(database)
    assert [(each.height, each.n, each.amount) for each in await reader.journal(None, 3)] == [
        (1, 1, -7),
        (2, 0, 60),
        (2, 0, -60),
    ]
    assert {each.subject for each in await reader.journal("a", 100)} == {"a"}
    assert await reader.journal("nobody", 100) == []


async def test_the_head_names_the_cursor_and_the_newest_entry(database):
    reader = BookReader(database)
    head = await reader.head()
    assert (head.height, head.entry_height, head.entry_ms) == (0, 0, 0)
    await write(database, 4, entry(0, "P03", BANK, HELD, 100))
    async with database.transaction() as connection:
        await connection.execute(
            insert(block_cursor).values(
                stream=STREAM, chain_id=b"", owner_epoch=1, height=9, block_id=b"", app_hash=b""
            )
        )
    head = await reader.head()
    assert (head.height, head.entry_height, head.entry_ms) == (9, 4, 4_000)


async def test_orders_wait_in_sequence_until_they_are_marked(database):
    orders = SqlOrders(database, ManualClock())
    async with database.transaction() as connection:
        await write_orders(connection, [("b", b"2"), ("a", b"1"), ("c", b"3")])
    first = await orders.unpublished(2)
    assert [order.id for order in first] == ["b", "a"]
    await orders.mark(first)
    await orders.mark(first)
    assert [order.id for order in await orders.unpublished(9)] == ["c"]
    with pytest.raises(IntegrityError):
        async with database.transaction() as connection:
            await write_orders(connection, [("a", b"another")])
