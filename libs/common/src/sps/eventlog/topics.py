"""The one table of topics. Partition counts of keyed topics are final: to change one, write a v2 topic."""

from typing import Final, Literal

from msgspec import Struct

DAY_MS: Final = 86_400_000
RECORD_BYTES_MAX: Final = 1_000_000
"""Below the usual broker limit of 1 MiB, by construction of everything that is appended."""


class Topic(Struct, frozen=True):
    """One topic. `retention_ms` None means for ever; `compression` is what a broker is asked to use."""

    name: str
    partitions: int
    key: str
    what: str
    retention_ms: int | None = None
    compression: Literal["none", "zstd"] = "zstd"


TRANSACTIONS: Final = "sps.transactions.v1"
CONSENSUS: Final = "sps.consensus.v1"
BLOCKS: Final = "sps.blocks.v1"
PAYOUTS: Final = "sps.payouts.v1"

TOPICS: Final[dict[str, Topic]] = {
    topic.name: topic
    for topic in (
        Topic(TRANSACTIONS, 12, "producer id", "signed batches; partition = producer id mod 12"),
        Topic(CONSENSUS, 1, "validator index", "proposals, votes, certificates", DAY_MS, "none"),
        Topic(BLOCKS, 1, "height", "committed blocks with their certificates"),
        Topic(PAYOUTS, 12, "order id", "settlement's signed orders to the payment gateway"),
    )
}
