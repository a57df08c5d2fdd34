"""Consensus: who votes, how fast blocks are final, and who misbehaves."""

from typing import Final

from sps_cli.documents.dashboards.grafana import RATE, Dashboard, Row, quantiles, rate, show

CONSENSUS: Final = Dashboard(
    "sps-consensus",
    "SPS Consensus",
    "Validators, blocks and votes.",
    (
        Row(
            "Does it go on?",
            (
                show(
                    "Validators that vote",
                    "Of those that are scraped here; more than two thirds of the weight are needed.",
                    "short",
                    ("sum(sps_consensus_voting)", "vote"),
                    ("max(sps_consensus_validators)", "seats"),
                    kind="stat",
                    width=6,
                    alerts=("QuorumAtRisk",),
                ),
                show(
                    "Since the last block",
                    "An idle chain makes one every ten seconds.",
                    "s",
                    ("time() - max(sps_consensus_last_commit_timestamp_seconds)", ""),
                    kind="stat",
                    red=100,
                    width=6,
                    alerts=("ChainStalled",),
                ),
                show(
                    "Refuse to go on",
                    "Validators that met what must not be.",
                    "short",
                    ("sum(sps_consensus_halted)", ""),
                    kind="stat",
                    red=1,
                    width=6,
                    alerts=("ConsensusHalted",),
                ),
                show(
                    "Proved misbehaviour",
                    "Contradictory words in the last day, as this monitoring has seen them.",
                    "short",
                    ("sum by (kind) (increase(sps_consensus_evidence_total[1d]))", "{{kind}}"),
                    kind="stat",
                    red=1,
                    width=6,
                    alerts=("ValidatorMisbehaved",),
                ),
            ),
        ),
        Row(
            "Blocks",
            (
                show(
                    "Final blocks",
                    "By validator; idle chains make one every ten seconds.",
                    "ops",
                    (f"deriv(sps_consensus_height[{RATE}])", "{{instance}}"),
                ),
                show(
                    "Until final",
                    "From the time in the header; 99 % within 5 s is promised.",
                    "s",
                    *quantiles("sps_consensus_finality_seconds"),
                    red=5,
                    alerts=("FinalityBudgetBurns",),
                ),
                show(
                    "Batch until ordered",
                    "From being stored here until it is in a final block.",
                    "s",
                    *quantiles("sps_consensus_ordering_seconds"),
                ),
                show(
                    "Behind the newest",
                    "Blocks by which each validator is behind.",
                    "short",
                    ("scalar(max(sps_consensus_height)) - sps_consensus_height", "{{instance}} stored"),
                    (
                        "scalar(max(sps_consensus_height)) - sps_consensus_executed_height",
                        "{{instance}} executed",
                    ),
                    red=100,
                    alerts=("ValidatorBehind",),
                ),
                show(
                    "Executing a block",
                    "And the transactions in it.",
                    "s",
                    *quantiles("sps_consensus_execution_seconds"),
                ),
                show(
                    "Transactions",
                    "Executed, by validator: all lines are equal.",
                    "ops",
                    (rate("sps_consensus_transactions_total", "instance"), "{{instance}}"),
                ),
            ),
        ),
        Row(
            "Votes",
            (
                show(
                    "Votes given",
                    "By validator and kind.",
                    "ops",
                    (rate("sps_consensus_votes_total", "instance, kind"), "{{instance}} {{kind}}"),
                    alerts=("ValidatorNotVoting",),
                ),
                show(
                    "Views skipped",
                    "A leader was silent or too late.",
                    "ops",
                    (rate("sps_consensus_nullified_views_total", "instance"), "{{instance}}"),
                    alerts=("FinalityBudgetBurns",),
                ),
                show(
                    "View and proposals",
                    "View of the newest vote, as a rate, and blocks proposed.",
                    "ops",
                    (f"deriv(sps_consensus_view[{RATE}])", "{{instance}} view"),
                    (rate("sps_consensus_proposals_total", "instance"), "{{instance}} proposed"),
                ),
                show(
                    "Syncing the write-ahead log",
                    "It is on the way of every vote.",
                    "s",
                    *quantiles("sps_consensus_wal_sync_seconds", "instance"),
                ),
                show(
                    "Wrong messages",
                    "By the seat that claims to have sent them.",
                    "ops",
                    (rate("sps_consensus_faults_total", "validator"), "seat {{validator}}"),
                ),
                show(
                    "Waiting and dropped",
                    "Inputs before the replica; messages that the log did not take.",
                    "short",
                    ("max by (instance) (sps_consensus_inbox)", "{{instance}} waiting"),
                    ("sum by (instance) (increase(sps_consensus_unsent_total[5m]))", "{{instance}} dropped"),
                    (
                        "sum by (instance, what) (increase(sps_consensus_fetched_total[5m]))",
                        "{{instance}} fetched {{what}}",
                    ),
                    alerts=("ValidatorNotVoting",),
                ),
            ),
        ),
    ),
)
