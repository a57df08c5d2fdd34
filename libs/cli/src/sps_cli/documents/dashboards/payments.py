"""Payments and webhooks: what providers tell us, what we ask them, what goes out."""

from typing import Final

from sps_cli.documents.dashboards.grafana import Dashboard, Row, busy, quantiles, show

PAYMENTS: Final = Dashboard(
    "sps-payments",
    "SPS Payments and webhooks",
    "What providers tell us, what we ask them, and what goes out.",
    (
        Row(
            "Webhooks",
            (
                show(
                    "Webhooks by what became of them",
                    "Of carriers and providers. Refused ones did not prove their origin.",
                    "reqps",
                    (busy("sps_webhooks_received_total", "provider, result"), "{{provider}} {{result}}"),
                    alerts=("WebhooksRefused",),
                ),
                show(
                    "Waiting",
                    "Stored and not handled yet.",
                    "short",
                    ("max by (provider) (sps_webhook_pending)", "{{provider}}"),
                ),
                show(
                    "The oldest waits",
                    "0 when none waits. Counted every 15 seconds.",
                    "s",
                    ("max by (provider) (sps_webhook_oldest_age_seconds)", "{{provider}}"),
                    red=900,
                    alerts=("WebhooksWait",),
                ),
                show(
                    "Until handled",
                    "From being stored; 99 % within a minute is promised.",
                    "s",
                    *quantiles("sps_webhook_handling_seconds", "provider"),
                    red=60,
                    alerts=("WebhookBudgetBurns",),
                ),
                show(
                    "Amounts that differ",
                    "Proved callbacks that name another amount than we asked for.",
                    "short",
                    ("sum by (provider) (increase(sps_callback_amount_differs_total[1h]))", "{{provider}}"),
                    red=1,
                    alerts=("CallbackAmountDiffers",),
                ),
                show(
                    "Looks at payments",
                    "What the provider said; trouble: it could not be asked.",
                    "reqps",
                    (busy("sps_payment_looks_total", "provider, found"), "{{provider}} {{found}}"),
                    alerts=("ProviderCallsFail",),
                ),
            ),
        ),
        Row(
            "What goes out",
            (
                show(
                    "Open orders",
                    "Payouts and refunds whose end is not known.",
                    "short",
                    ("max by (provider, state) (sps_orders_open) > 0", "{{provider}} {{state}}"),
                    alerts=("PayoutNeedsPerson",),
                ),
                show(
                    "The oldest open order",
                    "Since the chain ordered it; those that wait for a person are left out.",
                    "s",
                    ("max by (provider) (sps_orders_oldest_age_seconds)", "{{provider}}"),
                    red=3600,
                    alerts=("OrdersLate",),
                ),
                show(
                    "Orders by step",
                    "What became of each attempt or look.",
                    "ops",
                    (busy("sps_orders_total", "provider, step"), "{{provider}} {{step}}"),
                ),
                show(
                    "Refused orders",
                    "Records on their topic that are not settlement's, or that the chain contradicts.",
                    "short",
                    ("sum(increase(sps_orders_refused_total[1h]))", ""),
                    red=1,
                    alerts=("OrderRefused",),
                ),
                show(
                    "Void answers",
                    "Answers that came after somebody else had taken the order: harmless, and rare.",
                    "short",
                    ("sum(increase(sps_order_answers_void_total[1h]))", ""),
                ),
                show(
                    "Payments that are open",
                    "Buyers who were sent to a provider and whose payment is not over.",
                    "short",
                    ("max by (provider) (sps_payments_pending)", "{{provider}}"),
                ),
            ),
        ),
    ),
)
