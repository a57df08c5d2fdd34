"""Overview: is the money right, does it flow, are the promises kept?"""

from typing import Final

from sps_cli.documents.dashboards.grafana import Dashboard, Row, rate, show
from sps_cli.documents.objectives import OBJECTIVES, Objective

PROMISED: Final = {"sps_http_requests", "sps_consensus_finality_seconds", "sps_webhook_handling_seconds"}
"""The objectives that stand large on the overview."""


def _burn(objective: Objective) -> tuple[str, str]:
    return f"{objective.ratio('1h')} / {objective.allowed}", f"{{{{job}}}} {objective.fault}"


def _of_three_days(objective: Objective) -> tuple[str, str]:
    return f"{objective.ratio('3d')}", f"{{{{job}}}} {objective.metric} {objective.fault}"


OVERVIEW: Final = Dashboard(
    "sps-overview",
    "SPS Overview",
    "Is the money right, does it flow, and are the promises kept?",
    (
        Row(
            "Is the money right?",
            (
                show(
                    "Ledger imbalance",
                    "The sum of all balances in minor units. Anything but 0 stops payouts.",
                    "short",
                    ("max by (currency) (abs(sps_ledger_imbalance_minor_units))", "{{currency}}"),
                    kind="stat",
                    red=1,
                    width=6,
                    alerts=("LedgerOutOfBalance",),
                ),
                show(
                    "Held in escrow",
                    "Money of buyers that waits for a decision, in minor units (account 2000).",
                    "short",
                    ("max by (currency) (sps_escrow_held_minor_units)", "{{currency}}"),
                    kind="stat",
                    width=6,
                ),
                show(
                    "Orders that wait for a person",
                    "Payouts and refunds whose outcome the provider did not tell in time.",
                    "short",
                    ('max by (provider) (sps_orders_open{state="manual"})', "{{provider}}"),
                    kind="stat",
                    red=1,
                    width=6,
                    alerts=("PayoutNeedsPerson",),
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
            ),
        ),
        Row(
            "Does it flow?",
            (
                show(
                    "Money held, released, paid out",
                    "Journals by row of the posting table: P03 held, P20 and P21 released, "
                    "P40 refund ordered, P60 payout ordered, P61 paid.",
                    "ops",
                    (rate("sps_journals_total", "row", '{row=~"P03|P20|P21|P40|P60|P61"}'), "{{row}}"),
                ),
                show(
                    "Contracts that are open",
                    "By the state that people see; closed ones are left out. Counted every minute.",
                    "short",
                    ('max by (state) (sps_contracts{state!="CLOSED"})', "{{state}}"),
                ),
                show(
                    "Oldest fact that no block has",
                    "The most useful alarm about money: what was told to us and has no effect yet.",
                    "s",
                    ("max by (job) (sps_outbox_oldest_age_seconds)", "{{job}}"),
                    red=60,
                    alerts=("OutboxOld",),
                ),
            ),
        ),
        Row(
            "Are the promises kept?",
            (
                show(
                    "Speed at which allowances are used up",
                    "1 uses up exactly the allowance of 28 days; 14.4 wakes somebody.",
                    "short",
                    *(_burn(each) for each in OBJECTIVES if each.metric in PROMISED),
                    red=14.4,
                    width=12,
                    alerts=("ApiErrorBudgetBurns", "FinalityBudgetBurns", "WebhookBudgetBurns"),
                ),
                show(
                    "Bad events over three days",
                    "The share of events that broke their promise.",
                    "percentunit",
                    *(_of_three_days(each) for each in OBJECTIVES),
                    width=12,
                    alerts=("ApiLatencyBudgetBurns", "EventAgeBudgetBurns"),
                ),
            ),
        ),
    ),
)
