"""The cost of a contract: the sum is right, and rests on the figures that were measured."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from sps_cli.documents.cost import capacity, cost, hourly
from sps_cli.documents.cost_inputs import FOOTPRINT, MACHINES, PRICES, Footprint, Machines

PERFORMANCE = Path(__file__).parents[4] / "docs" / "performance.md"
EASY = Footprint("", 1, 10.0, 100.0, 80.0, 50.0, 20.0, 0, 0, 0, 0)
"""Services fill two processors at 20 contracts a second, before anybody else is full."""


def test_the_machine_that_is_full_first_sets_the_capacity():
    assert capacity(EASY, MACHINES) == pytest.approx(
        {"validators": 100.0, "Kafka": 40.0, "services": 20.0, "PostgreSQL": 100.0}
    )


def test_machines_are_paid_by_the_hour_whatever_they_do():
    machines, database = hourly(Machines())
    assert machines == pytest.approx(9 * (2 * 0.02772 + 8 * 0.003456))
    assert database == pytest.approx(2 * 2 * 0.0497)
    tenth, half = cost(0.1, EASY), cost(0.5, EASY)
    assert tenth.machines == pytest.approx(machines / (2 * 3_600))
    assert tenth.total == pytest.approx(5 * half.total)


def test_what_is_stored_and_sent_costs_the_same_at_any_load():
    stored = replace(EASY, kafka_bytes=2**30, answer_bytes=10**9)
    for load in (0.1, 0.5):
        more = cost(load, stored).total - cost(load, EASY).total
        assert more == pytest.approx(3 * 0.0003188 * 8_760 + 0.123)


@pytest.mark.parametrize("load", [0.0, -0.1, 1.1])
def test_a_load_that_cannot_be_is_refused(load):
    with pytest.raises(ValueError, match="share of full load"):
        cost(load, EASY)


def test_every_price_has_a_page_and_a_date():
    for price in PRICES:
        assert price.usd > 0
        assert price.page.startswith("alibabacloud.com/")
        assert len(price.dated.split("-")) == 3


@pytest.mark.parametrize(
    ("figure", "value"),
    [
        ("transactions of a contract", FOOTPRINT.transactions),
        ("CPU, services", FOOTPRINT.services_cpu_ms),
        ("CPU, four validators", FOOTPRINT.validators_cpu_ms),
        ("CPU, Kafka", FOOTPRINT.kafka_cpu_ms),
        ("CPU, PostgreSQL", FOOTPRINT.postgres_cpu_ms),
        ("disk, Kafka, one copy", FOOTPRINT.kafka_bytes),
        ("disk, PostgreSQL, one copy", FOOTPRINT.postgres_bytes),
        ("disk, one validator", FOOTPRINT.validator_bytes),
        ("answers to clients", FOOTPRINT.answer_bytes),
    ],
)
def test_the_figures_are_those_of_the_bench(figure, value):
    line = next(line for line in PERFORMANCE.read_text().splitlines() if line.startswith(f"| {figure} |"))
    assert float(line.split("|")[2].replace(",", "")) == value
