"""What `docs/cost.md` is reckoned from: list prices with their source and date, machines, measured figures.

The only place where a price or a measured figure of that page stands.
"""

from typing import Final

from msgspec import Struct

HOURS_OF_A_YEAR: Final = 8_760
GB: Final = 10**9


class Price(Struct, frozen=True):
    """A list price in USD per unit, region China (Hangzhou, Shanghai), pay-as-you-go, without discounts."""

    what: str
    usd: float
    unit: str
    page: str
    dated: str
    """When the page says that it was last updated."""


VCPU: Final = Price(
    "one vCPU (Elastic Container Instance)", 0.02772, "h",
    "alibabacloud.com/help/en/eci/product-overview/virtual-node-billing", "2025-11-04",
)  # fmt: skip
MEMORY: Final = Price("one GiB of memory (the same)", 0.003456, "h", VCPU.page, VCPU.dated)
DISK: Final = Price(
    "one GiB of disk (ESSD PL1)", 0.0003188, "h",
    "alibabacloud.com/help/en/elastic-container-instance/latest/storage-space-bill", "2022-09-20",
)  # fmt: skip
RCU: Final = Price(
    "one RCU (RDS for PostgreSQL serverless)", 0.0497, "h",
    "alibabacloud.com/help/en/rds/apsaradb-rds-for-postgresql/pricing-of-serverless-apsaradb-rds-for-sql-server-instances",
    "2026-03-28",
)  # fmt: skip
RDS_DISK: Final = Price("one GB of database (the same)", 0.00024, "h", RCU.page, RCU.dated)
TRAFFIC: Final = Price(
    "one GB to the Internet", 0.123, "GB",
    "alibabacloud.com/help/en/internet-shared-bandwidth/product-overview/pay-by-data-transfer",
    "2026-03-31",
)  # fmt: skip
PRICES: Final = (VCPU, MEMORY, DISK, RCU, RDS_DISK, TRAFFIC)


class Machines(Struct, frozen=True):
    """Machines of 2 vCPU and 8 GiB, and the database."""

    vcpu: int = 2
    memory_gib: int = 8
    validators: int = 4
    brokers: int = 3
    services: int = 2
    """One works and one is a spare (`docs/decisions/0017`)."""
    rcu: int = 2
    database_nodes: int = 2
    """High availability is billed twice, capacity and disk."""


class Footprint(Struct, frozen=True):
    """Per contract, from the offer to the paid payout; CPU in milliseconds, sizes in bytes."""

    measured: str
    contracts: int
    transactions: float
    services_cpu_ms: float
    validators_cpu_ms: float
    """All four together."""
    kafka_cpu_ms: float
    postgres_cpu_ms: float
    kafka_bytes: int
    """One copy."""
    postgres_bytes: int
    """One copy."""
    validator_bytes: int
    """One validator."""
    answer_bytes: int


MACHINES: Final = Machines()
FOOTPRINT: Final = Footprint(
    measured="2026-11-23",
    contracts=100,
    transactions=8.01,
    services_cpu_ms=455.0,
    validators_cpu_ms=261.2,
    kafka_cpu_ms=169.5,
    postgres_cpu_ms=148.1,
    kafka_bytes=29_184,
    postgres_bytes=86_835,
    validator_bytes=12_725,
    answer_bytes=26_343,
)
"""`sps bench --only footprint`; the same figures stand in `docs/performance.md`, and a test compares them."""
