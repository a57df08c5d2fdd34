"""`deploy/observe/rules/objectives.yaml`: the service level objectives as recording rules and burn alerts.

Five promises over 28 days. For each: how often it was broken, as a ratio of all events, over seven windows;
and two alerts that compare the speed at which the allowance is used up (the burn rate) in a long and a short
window, so that they come soon and go soon. Written by a table, because 50 rules by hand hide the one typo.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

WINDOWS: Final = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
SOON: Final = (("14.4", "1h", "5m"), ("6", "6h", "30m"))
"""(times the allowed speed, long window, short window): somebody is woken."""
LATER: Final = (("3", "1d", "2h"), ("1", "3d", "6h"))
"""Somebody looks at it on the next working day."""
GUARD: Final = "0.02"
"""Events per second over the hour, a good seventy: fewer make wild ratios."""
RUNBOOKS: Final = "docs/runbooks"


class Objective(Struct, frozen=True):
    """One promise. `bad` and `every` are rates of events by job, over `WINDOW`."""

    metric: str
    fault: str
    alert: str
    allowed: str
    """The share of events that may be bad."""
    bad: str
    every: str
    promise: str
    money: str

    def ratio(self, window: str) -> str:
        """The name under which the share of bad events is recorded."""
        return f"job:{self.metric}:{self.fault}_ratio_rate{window}"

    @property
    def volume(self) -> str:
        """The name under which the rate of all events is recorded, for the guard."""
        return f"job:{self.metric}:rate1h"


def _slower(metric: str, seconds: str) -> tuple[str, str]:
    """Rates of the events above an edge of the histogram, and of all."""
    every = f"sum by (job) (rate({metric}_count[WINDOW]))"
    good = f'sum by (job) (rate({metric}_bucket{{le="{seconds}"}}[WINDOW]))'
    return f"({every} - {good})", every


def _late(
    metric: str, seconds: str, *, fault: str, alert: str, allowed: str, promise: str, money: str
) -> Objective:
    bad, every = _slower(metric, seconds)
    return Objective(metric, fault, alert, allowed, bad, every, promise, money)


OBJECTIVES: Final = (
    Objective(
        metric="sps_http_requests",
        fault="error",
        alert="ApiErrorBudgetBurns",
        allowed="0.001",
        bad='(sum by (job) (rate(sps_http_requests_total{code=~"5.."}[WINDOW]))'
        " or 0 * sum by (job) (rate(sps_http_requests_total[WINDOW])))",
        every="sum by (job) (rate(sps_http_requests_total[WINDOW]))",
        promise="99.9 % of requests are answered without a 5xx",
        money="No money moves wrongly, but merchants, buyers, carriers and providers are turned away.",
    ),
    _late(
        "sps_http_request_duration_seconds",
        "0.3",
        fault="slow",
        alert="ApiLatencyBudgetBurns",
        allowed="0.01",
        promise="99 % of requests are answered within 300 ms",
        money="No money moves wrongly. Requests that wait for their block are slow when the chain is.",
    ),
    _late(
        "sps_event_age_seconds",
        "30.0",
        fault="late",
        alert="EventAgeBudgetBurns",
        allowed="0.005",
        promise="99.5 % of blocks have had their effect in a service within 30 s",
        money="Money is decided on the chain, and what follows from it (books, orders, pages) comes late.",
    ),
    _late(
        "sps_consensus_finality_seconds",
        "5.0",
        fault="late",
        alert="FinalityBudgetBurns",
        allowed="0.01",
        promise="99 % of blocks are final within 5 s",
        money="Nothing is decided until it is final: payments, releases and payouts wait.",
    ),
    _late(
        "sps_webhook_handling_seconds",
        "60.0",
        fault="late",
        alert="WebhookBudgetBurns",
        allowed="0.01",
        promise="99 % of webhooks are handled within 60 s",
        money="Payments and deliveries are known to us and not yet to the chain; no money is lost.",
    ),
)


def objectives() -> str:
    """The file."""
    lines = [
        "# Built from the code by `sps docs build`. Do not edit: sps_cli/documents/objectives.py.",
        "groups:",
        "  - name: sps-objectives-short",
        "    rules:",
    ]
    for objective in OBJECTIVES:
        lines += _records(objective, WINDOWS[:5])
    lines += ["  - name: sps-objectives-long", "    interval: 5m", "    rules:"]
    for objective in OBJECTIVES:
        lines += _records(objective, WINDOWS[5:])
    lines += ["  - name: sps-objectives-alerts", "    rules:"]
    for objective in OBJECTIVES:
        lines += _alert(objective, SOON, "page")
        lines += _alert(objective, LATER, "ticket")
    return "\n".join(lines) + "\n"


def _records(objective: Objective, windows: tuple[str, ...]) -> Iterator[str]:
    for window in windows:
        bad, every = (each.replace("WINDOW", window) for each in (objective.bad, objective.every))
        yield f"      - record: {objective.ratio(window)}"
        yield "        expr: |"
        yield f"          {bad}"
        yield f"          / ({every} > 0)"
    if "1h" in windows:
        yield f"      - record: {objective.volume}"
        yield f"        expr: {objective.every.replace('WINDOW', '1h')}"


def _alert(objective: Objective, pairs: tuple[tuple[str, str, str], ...], severity: str) -> Iterator[str]:
    yield f"      - alert: {objective.alert}"
    yield "        expr: |"
    yield "          ("
    for number, (factor, long, short) in enumerate(pairs):
        if number:
            yield "            or"
        over = f"{factor} * {objective.allowed}"
        yield f"            ({objective.ratio(long)} > {over} and {objective.ratio(short)} > {over})"
    yield f"          ) and {objective.volume} > {GUARD}"
    yield "        for: 2m"
    yield "        labels:"
    yield f"          severity: {severity}"
    yield "        annotations:"
    yield f'          summary: "{{{{ $labels.job }}}} breaks a promise: {objective.promise}"'
    share = "{{ $value | humanizePercentage }} of the long window were bad."
    yield f'          description: "{share} {objective.money}"'
    yield f"          runbook_url: {RUNBOOKS}/{objective.alert}.md"
