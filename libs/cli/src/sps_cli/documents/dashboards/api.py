"""API: rate, errors and duration of everything that speaks HTTP."""

from typing import Final

from sps_cli.documents.dashboards.grafana import Dashboard, Row, busy, quantiles, rate, show

OF_THE_API: Final = '{job=~".*contract-api.*"}'
BY_ROUTE: Final = rate("sps_http_request_duration_seconds_bucket", "le, route", OF_THE_API)

API: Final = Dashboard(
    "sps-api",
    "SPS API",
    "Rate, errors and duration of requests, by service and route.",
    (
        Row(
            "All services",
            (
                show(
                    "Requests",
                    "Answered, by service.",
                    "reqps",
                    (rate("sps_http_requests_total", "job"), "{{job}}"),
                ),
                show(
                    "Share of 5xx",
                    "Of all answers in five minutes; one in a thousand is allowed.",
                    "percentunit",
                    ("job:sps_http_requests:error_ratio_rate5m", "{{job}}"),
                    red=0.001,
                    alerts=("ApiErrorBudgetBurns",),
                ),
                show(
                    "Share slower than 300 ms",
                    "Of all answers in five minutes; one in a hundred is allowed.",
                    "percentunit",
                    ("job:sps_http_request_duration_seconds:slow_ratio_rate5m", "{{job}}"),
                    red=0.01,
                    alerts=("ApiLatencyBudgetBurns",),
                ),
                show(
                    "Duration",
                    "Median and 99th percentile, by service.",
                    "s",
                    *quantiles("sps_http_request_duration_seconds", "job"),
                    red=0.3,
                    alerts=("ApiLatencyBudgetBurns",),
                ),
                show(
                    "Being answered",
                    "Requests under way, by service.",
                    "short",
                    ("sum by (job) (sps_http_requests_in_flight)", "{{job}}"),
                ),
                show(
                    "Answers by code",
                    "202: the block did not come in time, the request is stored. 503: a dependency is away.",
                    "reqps",
                    (busy("sps_http_requests_total", "job, code"), "{{job}} {{code}}"),
                ),
            ),
        ),
        Row(
            "contract-api",
            (
                show(
                    "Requests by route",
                    "Route templates, never addresses.",
                    "reqps",
                    (
                        rate("sps_http_requests_total", "method, route", OF_THE_API) + " > 0",
                        "{{method}} {{route}}",
                    ),
                ),
                show(
                    "99th percentile by route",
                    "Routes that wait for their block take as long as a block.",
                    "s",
                    (f"histogram_quantile(0.99, {BY_ROUTE})", "{{route}}"),
                ),
                show(
                    "Repeats",
                    "Requests with a key: new, replayed, still under way, or the key was used for another.",
                    "reqps",
                    (rate("sps_idempotency_results_total", "result"), "{{result}}"),
                ),
            ),
        ),
    ),
)
