"""What the metrics count, and that their number does not grow with the merchants."""

import pytest
from api_town import OFFER, ApiTown
from prometheus_client import CollectorRegistry

MERCHANTS = 12


@pytest.fixture
async def town(tmp_path):
    async with ApiTown(tmp_path) as town:
        yield town


def series(registry: CollectorRegistry) -> set[str]:
    """Every line that a scrape would bring, without its value."""
    return {
        f"{sample.name}{sorted(sample.labels.items())}"
        for family in registry.collect()
        for sample in family.samples
    }


def results(town: ApiTown) -> dict[str, float]:
    names = ("new", "replayed", "in_progress", "mismatch")
    value = town.api.registry.get_sample_value
    return {name: value("sps_idempotency_results_total", {"result": name}) for name in names}


async def test_what_becomes_of_requests_with_a_key_is_counted(town):
    alice = await town.merchant()
    before = results(town)
    await town.post("/v1/contracts", OFFER, alice, "one")
    await town.post("/v1/contracts", OFFER, alice, "one")
    await town.post("/v1/contracts", {**OFFER, "description": "Another"}, alice, "one")
    after = results(town)
    assert {name: after[name] - before[name] for name in after} == {
        "new": 1,
        "replayed": 1,
        "in_progress": 0,
        "mismatch": 1,
    }


async def test_series_do_not_grow_with_merchants_and_contracts(town):
    async def trade(number: int) -> None:
        alice = await town.merchant()
        made = (await town.post("/v1/contracts", OFFER, alice, f"key-{number}")).json()
        await town.http.get(f"/v1/contracts/{made['contract']}")
        await town.http.get(f"/v1/nothing/{number}")

    await trade(0)
    before = series(town.api.registry)
    for number in range(1, MERCHANTS):
        await trade(number)
    assert series(town.api.registry) == before
