"""Runtime: processes, loops, databases."""

from typing import Final

from sps_cli.documents.dashboards.grafana import RATE, Dashboard, Row, busy, quantiles, rate, show

OURS: Final = "and on (job, instance) sps_build_info"
"""The library's metrics have the names that everybody's have."""

RUNTIME: Final = Dashboard(
    "sps-runtime",
    "SPS Runtime",
    "Processes, loops and databases; throttling, volumes and brokers are on the cluster's dashboards.",
    (
        Row(
            "Processes",
            (
                show(
                    "Ready",
                    "1: takes work.",
                    "short",
                    ("min by (job) (sps_ready)", "{{job}}"),
                    kind="stat",
                    alerts=("NotReady",),
                ),
                show(
                    "Dependencies that are down",
                    "By process, as `/health/ready` names them.",
                    "short",
                    ("sum by (job, dependency) (1 - sps_dependency_up) > 0", "{{job}} {{dependency}}"),
                    red=1,
                    alerts=("NotReady",),
                ),
                show(
                    "Versions",
                    "Processes by what was built.",
                    "short",
                    ("count by (job, version, commit) (sps_build_info)", "{{job}} {{version}} {{commit}}"),
                    alerts=("SchemaRevisionsDiffer",),
                ),
                show(
                    "CPU",
                    "Cores; one is the most that a process's loop can use.",
                    "short",
                    (f"rate(process_cpu_seconds_total[{RATE}]) {OURS}", "{{job}} {{instance}}"),
                    red=0.9,
                    alerts=("EventLoopLate",),
                ),
                show(
                    "Memory",
                    "Resident; the state of the chain is kept in memory.",
                    "bytes",
                    (f"process_resident_memory_bytes {OURS}", "{{job}} {{instance}}"),
                    alerts=("ProcessRestarts",),
                ),
                show(
                    "Open files",
                    "As a share of what is allowed.",
                    "percentunit",
                    (f"process_open_fds / process_max_fds {OURS}", "{{job}} {{instance}}"),
                    red=0.8,
                ),
                show(
                    "Up since",
                    "A start of a process shows as a step down.",
                    "s",
                    (f"time() - process_start_time_seconds {OURS}", "{{job}} {{instance}}"),
                    alerts=("ProcessRestarts", "TargetDown"),
                ),
            ),
        ),
        Row(
            "Loops",
            (
                show(
                    "How late the loop wakes up",
                    "99th percentile.",
                    "s",
                    (
                        "histogram_quantile(0.99, "
                        + rate("sps_event_loop_lag_seconds_bucket", "le, job, instance")
                        + ")",
                        "{{job}} {{instance}}",
                    ),
                    red=0.25,
                    alerts=("EventLoopLate",),
                ),
                show(
                    "Rounds that failed",
                    "And are tried again.",
                    "ops",
                    (busy("sps_tasks_troubled_total", "job, task"), "{{job}} {{task}}"),
                    alerts=("NotReady",),
                ),
                show(
                    "Loops stopped by a defect",
                    "Each needs a developer.",
                    "short",
                    ("sum by (job, task) (sps_tasks_crashed_total) > 0", "{{job}} {{task}}"),
                    red=1,
                    alerts=("LoopDefect",),
                ),
            ),
        ),
        Row(
            "Databases and surveys",
            (
                show(
                    "A small question",
                    "Asked every few seconds, the wait for a connection included.",
                    "s",
                    *quantiles("sps_db_query_duration_seconds", "job", 'operation="probe"'),
                    red=0.25,
                    alerts=("DatabaseSlow",),
                ),
                show(
                    "Connections",
                    "Of each pool by state.",
                    "short",
                    ("sum by (job, state) (sps_db_pool_connections)", "{{job}} {{state}}"),
                    alerts=("DatabasePoolExhausted",),
                ),
                show(
                    "Revisions of the tables",
                    "More than one for a service: an upgrade is under way.",
                    "short",
                    ("count by (job, revision) (sps_db_schema_revision_info)", "{{job}} {{revision}}"),
                    alerts=("SchemaRevisionsDiffer",),
                ),
                show(
                    "Surveys",
                    "How long the counts for these dashboards take.",
                    "s",
                    ("max by (job, survey) (sps_survey_duration_seconds)", "{{job}} {{survey}}"),
                    alerts=("SurveyLate",),
                ),
                show(
                    "Projection",
                    "Time since the block time of what a service has folded.",
                    "s",
                    ("max by (job) (sps_projection_age_seconds)", "{{job}}"),
                    alerts=("ProjectionStuck",),
                ),
            ),
        ),
        Row(
            "Traces",
            (
                show(
                    "Spans",
                    "By what became of them; none while traces are off.",
                    "ops",
                    (busy("sps_trace_spans_total", "job, result"), "{{job}} {{result}}"),
                ),
                show(
                    "Headers that are none",
                    "Records with a traceparent that does not read; it was ignored.",
                    "ops",
                    (busy("sps_trace_headers_malformed_total", "job, topic"), "{{job}} {{topic}}"),
                ),
            ),
        ),
    ),
)
