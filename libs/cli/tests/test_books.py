"""`sps books` on a folder that a real settlement service has written."""

import asyncio
import json
import sqlite3

import pytest
from rich.console import Console
from settlement_town import SettlementTown
from typer.testing import CliRunner

from settlement.application.ports import BookHead, TrialLine
from sps.runtime.errors import Refusal
from sps_cli.agreement import disagreements
from sps_cli.books import headline, trial_table
from sps_cli.main import app


@pytest.fixture
def folder(tmp_path):
    """A state folder whose settlement has folded a whole story."""

    async def tell():
        (tmp_path / "db").mkdir()
        url = f"sqlite+aiosqlite:///{tmp_path / 'db' / 'settlement.sqlite'}"
        async with SettlementTown(tmp_path, database_url=url) as town:
            await town.full_road()
            await town.two_tranches()
            return town.chain.state.height, dict(town.chain.state.balances)

    return tmp_path, *asyncio.run(tell())


def run(*words, **options):
    return CliRunner().invoke(app, ["books", *map(str, words)], **options)


def test_the_trial_balance_for_machines_is_whole_and_balanced(folder):
    path, height, balances = folder
    result = run("--state", path, "--json")
    told = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (told["height"], told["balanced"]) == (height, True)
    found = {line["account"]: int(line["balance"]) for line in told["accounts"] if line["balance"] != "0"}
    assert found == balances
    assert all(each["minor"] == "0" for each in told["sums"])


def test_the_trial_balance_for_people_begins_with_height_and_time_and_cuts_no_name(folder):
    path, height, balances = folder
    result = run("--state", path, env={"COLUMNS": "80"})
    assert result.exit_code == 0
    assert result.stdout.startswith(f"books at height {height}; newest entry in block ")
    assert "2023-11-14 22:13" in result.stdout.splitlines()[0]
    assert "…" not in result.stdout
    letters = "".join(line.split("│")[1].strip() for line in result.stdout.splitlines() if "│" in line)
    for address in balances:
        assert address in letters
    assert "sum CNY" in result.stdout


def test_the_journal_names_rows_subjects_and_amounts(folder):
    path, _, _ = folder
    told = json.loads(run("--state", path, "--journal", "--json", "--limit", 1000).stdout)
    rows = {line["row"] for line in told["lines"]}
    assert {"P84", "P03", "P20", "P21", "P40", "P41", "P60", "P61"} <= rows
    contract = next(line["subject"] for line in told["lines"] if line["row"] == "P20")
    one = json.loads(run("--state", path, "--journal", "--json", "--subject", contract).stdout)
    assert {line["subject"] for line in one["lines"]} == {contract}
    shown = run("--state", path, "--journal", "--limit", 4, env={"COLUMNS": "120"})
    assert shown.exit_code == 0
    assert "CNY" in shown.stdout


def test_books_that_do_not_sum_to_zero_end_with_one(folder):
    path, _, _ = folder
    with sqlite3.connect(path / "db" / "settlement.sqlite") as connection:
        connection.execute("UPDATE account SET debits = debits + 1 WHERE address = '1000/alipay/CNY'")
    assert run("--state", path).exit_code == 1
    result = run("--state", path, "--json")
    assert result.exit_code == 1
    assert not json.loads(result.stdout)["balanced"]


def test_a_folder_without_books_is_refused_in_plain_words(tmp_path):
    result = run("--state", tmp_path)
    assert isinstance(result.exception, Refusal)
    assert "run sps up first" in str(result.exception)


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (BookHead(0, 0, 0), "no block is folded yet"),
        (
            BookHead(3, 0, 1_700_000_000_000),
            "books at height 3; opening entries only, block time 2023-11-14 22:13:20 UTC",
        ),
        (BookHead(9, 7, 0), "books at height 9; newest entry in block 7, block time 1970-01-01 00:00:00 UTC"),
    ],
)
def test_the_head_line(head, told):
    assert headline(head) == told


def test_a_memo_circle_that_does_not_sum_to_zero_is_shown():
    console = Console(record=True, width=100)
    console.print(trial_table([TrialLine("9000/k/CNY", "CNY", 5, 0)]))
    assert "sum CNY (memo)" in console.export_text()


# --- agreement with the providers' own books ----------------------------------------------------

BALANCED = [TrialLine("1000/alipay/CNY", "CNY", 500, 0), TrialLine("2100/s/CNY", "CNY", 0, 500)]


def test_equal_books_agree():
    assert disagreements(BALANCED, {"alipay": {"CNY": {"balance": "500"}}, "payments": []}) == []


@pytest.mark.parametrize(
    ("trial", "provider", "words"),
    [
        (BALANCED, {"alipay": {"CNY": {"balance": "499"}}}, "we have 500, the provider 499"),
        (BALANCED, {}, "we have 500, the provider 0"),
        (
            BALANCED,
            {"alipay": {"CNY": {"balance": "500"}}, "stripe": {"EUR": {"balance": "1"}}},
            "stripe EUR: we have 0",
        ),
        (BALANCED[:1], {"alipay": {"CNY": {"balance": "500"}}}, "our books sum to 500"),
    ],
)
def test_every_difference_is_told_in_a_sentence(trial, provider, words):
    assert words in " ".join(disagreements(trial, provider))


def test_money_between_two_chairs_is_told():
    stuck = [*BALANCED, TrialLine("2300/pyo_1/CNY", "CNY", 0, 5), TrialLine("3000/p/CNY", "CNY", 5, 0)]
    assert disagreements(stuck, {"alipay": {"CNY": {"balance": "500"}}}) == ["2300/pyo_1/CNY: -5 is stuck"]
