"""The one table of topics. Partition counts of keyed topics are final: to change one, write a v2 topic."""

from typing import Final, Literal

from msgspec import Struct

DAY_MS: Final = 86_400_000
RECORD_BYTES_MAX: Final = 1_000_000
"""Below the usual broker limit of 1 MiB, by construction of everything that is appended."""
HEADERS_MAX: Final = 32
"""Per record; what a header costs a broker beyond its bytes fits between the two limits."""
MESSAGE_BYTES_MAX: Final = 1_048_588
"""What a broker takes at once (a batch as stored); Kafka's own default."""


class Topic(Struct, frozen=True):
    """One topic. `retention_ms` None means for ever.

    `compression` is the producers' work and the broker's rule. zstd makes batches of transactions 3.5 times
    smaller on the wire and the disks. Measured with 500 kB: 1.7 ms more for the producer (1 µs each), 0.3 ms
    for a reader, who has less to receive, nothing more for the broker. lz4: 2.2 times for 5.8 ms. What is
    small and in a hurry goes as it is.
    """

    name: str
    partitions: int
    key: str
    what: str
    retention_ms: int | None = None
    compression: Literal["none", "zstd"] = "zstd"
    cleanup: Literal["delete"] = "delete"
    """Old records go as a whole; a compacted topic would have holes."""
    message_bytes: int = MESSAGE_BYTES_MAX


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

QUORUM_REPLICATION: Final = 3
"""From this many copies on, a record counts only when two brokers hold it."""


def in_sync_min(replication: int) -> int:
    """How many brokers must hold a record before it counts as appended."""
    return 2 if replication >= QUORUM_REPLICATION else 1
