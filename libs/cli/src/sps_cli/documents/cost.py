"""`docs/cost.md`: what a contract and a transaction cost at list prices, all machines counted."""

from typing import Final

from msgspec import Struct

from sps_cli.documents.cost_inputs import (
    DISK,
    FOOTPRINT,
    GB,
    HOURS_OF_A_YEAR,
    MACHINES,
    MEMORY,
    PRICES,
    RCU,
    RDS_DISK,
    TRAFFIC,
    VCPU,
    Footprint,
    Machines,
)
from sps_cli.documents.markdown import page, table

LOADS: Final = (0.1, 0.5)
MS_PER_S: Final = 1_000
S_PER_H: Final = 3_600
TARGET_USD: Final = 0.001
"""Per transaction at a tenth of the load; the design asks for far less."""
GIB: Final = 2**30
_LEAD: Final = (
    "What one contract and one transaction cost in a cloud, at list prices, with all machines counted: "
    "four validators, three Kafka brokers, two machines for services, a database with a standby. It is "
    "reckoned by `sps docs build` from the tables below, which stand in one file of the code "
    "(`documents/cost_inputs.py`)."
)
_LIMITS: Final = (
    "Full load is where the first kind of machine has no processor time left; it is reckoned from CPU "
    "time that was measured with everything on one machine and little load, where a contract costs more "
    "than under load, because most blocks carry one contract's step. Brokers: the CPU of one broker "
    "without copies, taken three times. The databases' full load is taken as one vCPU for an RCU. Disks: "
    "everything is kept for ever, so the yearly price comes again every year. No price list of ApsaraMQ "
    "for Kafka with numbers could be found; the brokers are therefore machines of one's own. The price of "
    "the disk is the oldest: 2022. Not in the sum: people, taxes, backups, load balancer, logs, discounts "
    "(a year paid ahead is usually cheaper by a third to a half), and what payment providers and carriers "
    "charge, which is more than all of this."
)


class Cost(Struct, frozen=True):
    """USD for one contract at a share of full load."""

    load: float
    machines: float
    database: float
    disks: float
    """For the first year."""
    traffic: float

    @property
    def total(self) -> float:
        return self.machines + self.database + self.disks + self.traffic


def capacity(footprint: Footprint, machines: Machines) -> dict[str, float]:
    """Contracts per second at which each kind of machine is full."""
    busy_s = {
        "validators": (footprint.validators_cpu_ms / MS_PER_S / machines.validators, machines.vcpu),
        "Kafka": (footprint.kafka_cpu_ms / MS_PER_S, machines.vcpu),
        "services": (footprint.services_cpu_ms / MS_PER_S, machines.vcpu),
        "PostgreSQL": (footprint.postgres_cpu_ms / MS_PER_S, machines.rcu),
    }
    return {kind: processors / seconds for kind, (seconds, processors) in busy_s.items()}


def hourly(machines: Machines) -> tuple[float, float]:
    """USD per hour: all machines, the database without its disk."""
    one = machines.vcpu * VCPU.usd + machines.memory_gib * MEMORY.usd
    count = machines.validators + machines.brokers + machines.services
    return count * one, machines.rcu * RCU.usd * machines.database_nodes


def cost(load: float, footprint: Footprint = FOOTPRINT, machines: Machines = MACHINES) -> Cost:
    """One contract at this share of full load, 0 < load ≤ 1."""
    if not 0 < load <= 1:
        raise ValueError(f"a share of full load is above 0 and at most 1, not {load}")
    contracts = load * min(capacity(footprint, machines).values()) * S_PER_H
    machine_usd, database_usd = hourly(machines)
    cloud_disk = footprint.kafka_bytes * machines.brokers + footprint.validator_bytes * machines.validators
    database_disk = footprint.postgres_bytes * machines.database_nodes
    yearly = (cloud_disk / GIB * DISK.usd + database_disk / GB * RDS_DISK.usd) * HOURS_OF_A_YEAR
    traffic = footprint.answer_bytes / GB * TRAFFIC.usd
    return Cost(load, machine_usd / contracts, database_usd / contracts, yearly, traffic)


def cost_page() -> str:
    """The document."""
    columns = ("USD", *(f"at {load:.0%} load" for load in LOADS))
    sums = [(name, *map(_usd, values)) for name, values in _sum_rows()]
    prices = [(each.what, f"{each.usd:g}", each.unit, each.page, each.dated) for each in PRICES]
    return page(
        "Cost",
        _LEAD,
        (
            "## The sum",
            table(columns, sums),
            _verdict(cost(LOADS[0])),
            "## Measured",
            _measured_how(),
            table(("per contract", "value"), _measured_rows()),
            table(("full when there are", "contracts/s"), _capacity_rows()),
            "## Prices",
            "Alibaba Cloud, China (Hangzhou, Shanghai), pay-as-you-go; as the page said on its date.",
            table(("what", "USD", "per", "page", "dated"), prices),
            "## What is not in it",
            _LIMITS,
        ),
    )


def _sum_rows() -> list[tuple[str, list[float]]]:
    costs = [cost(load) for load in LOADS]
    return [
        ("machines", [each.machines for each in costs]),
        ("database", [each.database for each in costs]),
        ("disks, first year", [each.disks for each in costs]),
        ("traffic", [each.traffic for each in costs]),
        ("**one contract**", [each.total for each in costs]),
        ("**one transaction**", [each.total / FOOTPRINT.transactions for each in costs]),
    ]


def _verdict(at_rest: Cost) -> str:
    usd = at_rest.total / FOOTPRINT.transactions
    word = "reached" if usd < TARGET_USD else "missed"
    return (
        f"The target is far less than {TARGET_USD} USD for a transaction at a tenth of the load: {word}, "
        f"{_usd(usd)} USD is {usd / TARGET_USD:.2g} of that."
    )


def _measured_how() -> str:
    return (
        f"`sps bench --only footprint`, {FOOTPRINT.measured}: {FOOTPRINT.contracts} contracts, each from the "
        "offer to the paid payout."
    )


def _measured_rows() -> list[tuple[str, str]]:
    kept = FOOTPRINT
    return [
        ("transactions", f"{kept.transactions:g}"),
        ("CPU, services", f"{kept.services_cpu_ms:g} ms"),
        ("CPU, four validators", f"{kept.validators_cpu_ms:g} ms"),
        ("CPU, Kafka", f"{kept.kafka_cpu_ms:g} ms"),
        ("CPU, PostgreSQL", f"{kept.postgres_cpu_ms:g} ms"),
        ("disk, Kafka, one copy", f"{kept.kafka_bytes} B"),
        ("disk, PostgreSQL, one copy", f"{kept.postgres_bytes} B"),
        ("disk, one validator", f"{kept.validator_bytes} B"),
        ("answers to clients", f"{kept.answer_bytes} B"),
    ]


def _capacity_rows() -> list[tuple[str, str]]:
    return [(kind, f"{each:.1f}") for kind, each in capacity(FOOTPRINT, MACHINES).items()]


def _usd(value: float) -> str:
    return f"{value:.6f}"
