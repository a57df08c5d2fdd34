"""Every metric of a consensus node. Times in seconds; labels are known when the node is deployed."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LATENCY_BUCKETS: Final = (0.002, 0.005, 0.01, 0.015, 0.025, 0.04, 0.06, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Seconds; 5 is the objective of finality."""
SYNC_BUCKETS: Final = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 0.5)
VOTE_KINDS: Final = ("notarize", "nullify", "finalize")
REFUSED: Final = ("message", "batch", "block")
EVIDENCE: Final = ("E1", "E2", "E3", "E4", "E5")
"""Kinds of misbehaviour (`docs/protocol.md`)."""


class Progress:
    """How far the node is."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.view: Final = Gauge(
            "sps_consensus_view", "View of the newest vote of this node", registry=registry
        )
        self.final_height: Final = Gauge(
            "sps_consensus_height", "Newest final height that is stored here", registry=registry
        )
        self.height: Final = Gauge(
            "sps_consensus_executed_height", "Newest height that is executed here", registry=registry
        )
        self.final_time: Final = Gauge(
            "sps_consensus_last_commit_timestamp_seconds", "Time of the newest final block", registry=registry
        )
        self.validators: Final = Gauge(
            "sps_consensus_validators", "Seats of the committee", registry=registry
        )
        self.voting: Final = Gauge(
            "sps_consensus_voting",
            "1 while this node takes part in votes; an observer never",
            registry=registry,
        )
        self.transactions: Final = Counter(
            "sps_consensus_transactions_total", "Transactions executed", registry=registry
        )
        self.inbox: Final = Gauge(
            "sps_consensus_inbox", "Inputs that wait for the replica", registry=registry
        )
        self.halted: Final = Gauge(
            "sps_consensus_halted", "1 when the node refuses to go on", registry=registry
        )


class Votes:
    """What the node says."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.votes: Final = Counter(
            "sps_consensus_votes_total", "Votes given by this node", ("kind",), registry=registry
        )
        self.timeouts: Final = Counter(
            "sps_consensus_nullified_views_total", "Views that this node voted to skip", registry=registry
        )
        self.proposals: Final = Counter(
            "sps_consensus_proposals_total", "Blocks proposed here", registry=registry
        )
        self.unsent: Final = Counter(
            "sps_consensus_unsent_total",
            "Messages dropped because the log did not take them",
            registry=registry,
        )
        for kind in VOTE_KINDS:
            self.votes.labels(kind)


class Times:
    """How long things take."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.finality: Final = Histogram(
            "sps_consensus_finality_seconds",
            "From the time in a block's header until it is final here",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.ordering: Final = Histogram(
            "sps_consensus_ordering_seconds",
            "From a batch being stored here until it is in a final block",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.execution: Final = Histogram(
            "sps_consensus_execution_seconds",
            "Executing one block",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.wal_sync: Final = Histogram(
            "sps_consensus_wal_sync_seconds",
            "Write and sync of one step",
            buckets=SYNC_BUCKETS,
            registry=registry,
        )


class Oddities:
    """What is wrong with what arrives, and what had to be fetched."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.refused: Final = Counter(
            "sps_consensus_refused_total",
            "Records of the log that prove nothing",
            ("what",),
            registry=registry,
        )
        self.faults: Final = Counter(
            "sps_consensus_faults_total",
            "Wrong messages by claimed sender",
            ("validator",),
            registry=registry,
        )
        self.evidence: Final = Counter(
            "sps_consensus_evidence_total", "Proved misbehaviour", ("kind",), registry=registry
        )
        self.fetched: Final = Counter(
            "sps_consensus_fetched_total", "Objects fetched from peers", ("what",), registry=registry
        )
        for kind in EVIDENCE:
            self.evidence.labels(kind)
        for what in REFUSED:
            self.refused.labels(what)
        for what in ("batch", "block"):
            self.fetched.labels(what)


class NodeMetrics(Progress, Votes, Times, Oddities):
    """One registry per node, so that several nodes in one process keep apart."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry: Final = registry
        for part in (Progress, Votes, Times, Oddities):
            part.__init__(self, registry)

    def committee(self, seats: int) -> None:
        """So many validators may err."""
        self.validators.set(seats)
        for seat in range(seats):
            self.faults.labels(str(seat))
