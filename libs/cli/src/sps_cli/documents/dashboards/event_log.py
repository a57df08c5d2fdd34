"""Event log: what is written to it, how far each reader is, what waits before it."""

from typing import Final

from sps_cli.documents.dashboards.grafana import Dashboard, Row, busy, quantiles, rate, show

EVENT_LOG: Final = Dashboard(
    "sps-event-log",
    "SPS Event log",
    "What is written, how far readers are, and what waits in the outboxes.",
    (
        Row(
            "Writing",
            (
                show(
                    "Records",
                    "Appended, by topic and result.",
                    "ops",
                    (
                        busy("sps_events_published_total", "topic, result"),
                        "{{topic}} {{result}}",
                    ),
                    alerts=("EventLogUnreachable",),
                ),
                show(
                    "Until durable",
                    "Time of an append.",
                    "s",
                    *quantiles("sps_event_publish_duration_seconds", "topic"),
                ),
                show(
                    "Lost records",
                    "Partitions that were truncated or are other ones now.",
                    "short",
                    ("sum by (job, topic) (increase(sps_event_log_resets_total[1h]))", "{{job}} {{topic}}"),
                    red=1,
                    alerts=("EventLogReset",),
                ),
            ),
        ),
        Row(
            "Reading",
            (
                show(
                    "Records before a reader",
                    "Counted from where it reads, not from what it committed.",
                    "short",
                    ("sum by (job, topic) (sps_consumer_lag_records)", "{{job}} {{topic}}"),
                ),
                show(
                    "Readers without a broker",
                    "By service and topic.",
                    "short",
                    ("sum by (job, topic) (sps_event_log_unreachable)", "{{job}} {{topic}}"),
                    red=1,
                    alerts=("EventLogUnreachable",),
                ),
                show(
                    "Records that prove nothing",
                    "Refused by followers and validators, and what was no record at all.",
                    "ops",
                    (rate("sps_follower_refused_total", "job, what"), "{{job}} {{what}}"),
                    (rate("sps_consensus_refused_total", "job, what"), "{{job}} {{what}}"),
                    (rate("sps_event_log_unreadable_total", "job, topic"), "{{job}} {{topic}}"),
                    alerts=("LogRecordsRefused",),
                ),
                show(
                    "Blocks not projected",
                    "Final blocks that a service has verified and not folded.",
                    "short",
                    ("max by (job) (sps_projection_lag_blocks)", "{{job}}"),
                    red=50,
                    alerts=("ProjectionStuck",),
                ),
                show(
                    "Age of the effect",
                    "From the time in a block's header until what it means is committed.",
                    "s",
                    *quantiles("sps_event_age_seconds", "job"),
                    red=30,
                    alerts=("EventAgeBudgetBurns",),
                ),
                show(
                    "Fetched from validators",
                    "What the log did not bring.",
                    "ops",
                    (rate("sps_follower_fetched_total", "job, what"), "{{job}} {{what}}"),
                    alerts=("EventLogReset",),
                ),
            ),
        ),
        Row(
            "Outboxes",
            (
                show(
                    "Facts not sealed",
                    "At 100,000 new ones are refused.",
                    "short",
                    ("max by (job) (sps_outbox_pending)", "{{job}}"),
                    red=50000,
                    alerts=("OutboxFilling",),
                ),
                show(
                    "Batches in no block",
                    "Sealed and not confirmed.",
                    "short",
                    ("max by (job) (sps_outbox_unconfirmed)", "{{job}}"),
                    alerts=("OutboxOld",),
                ),
                show(
                    "Oldest fact",
                    "That no block has.",
                    "s",
                    ("max by (job) (sps_outbox_oldest_age_seconds)", "{{job}}"),
                    red=60,
                    alerts=("OutboxOld",),
                ),
                show(
                    "Batches",
                    "Sealed, and appended again because no block had them.",
                    "ops",
                    (rate("sps_outbox_batches_total", "job"), "{{job}} sealed"),
                    (rate("sps_outbox_resent_total", "job"), "{{job}} again"),
                ),
                show(
                    "Foreign batches",
                    "Ordered under our numbers: an old database or a second process.",
                    "short",
                    ("max by (job) (sps_outbox_adopted_batches)", "{{job}}"),
                    red=1,
                    alerts=("OutboxForeignBatch",),
                ),
            ),
        ),
    ),
)
