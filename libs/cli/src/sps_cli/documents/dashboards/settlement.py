"""Settlement and ledger: books, contracts, orders, rates."""

from typing import Final

from sps_cli.documents.dashboards.grafana import Dashboard, Row, busy, quantiles, rate, show

SETTLEMENT: Final = Dashboard(
    "sps-settlement",
    "SPS Settlement and ledger",
    "Books, contracts, orders and rates.",
    (
        Row(
            "Books",
            (
                show(
                    "Balances by account",
                    "Minor units by code of the chart of accounts, debit positive. Summed every minute.",
                    "short",
                    (
                        "max by (account, currency) (sps_ledger_balance_minor_units) != 0",
                        "{{account}} {{currency}}",
                    ),
                    width=12,
                    alerts=("LedgerOutOfBalance", "MoneyInSuspense"),
                ),
                show(
                    "Below zero at a provider",
                    "Minor units by which our books say less than nothing.",
                    "short",
                    (
                        "max by (provider, currency) (sps_books_provider_negative)",
                        "{{provider}} {{currency}}",
                    ),
                    red=1,
                    width=6,
                    alerts=("ProviderBalanceNegative",),
                ),
                show(
                    "Age of the sums",
                    "Since each survey last succeeded.",
                    "s",
                    ("time() - max by (survey) (sps_survey_last_success_timestamp_seconds)", "{{survey}}"),
                    red=1800,
                    width=6,
                    alerts=("SurveyLate",),
                ),
                show(
                    "Journals by row",
                    "Rows of the posting table (docs/ledger.md).",
                    "ops",
                    (busy("sps_journals_total", "row"), "{{row}}"),
                ),
                show(
                    "Postings",
                    "Lines written to the books.",
                    "ops",
                    (rate("sps_postings_total"), "postings"),
                ),
                show(
                    "Folding a block",
                    "Time to write one block into the books.",
                    "s",
                    *quantiles("sps_block_fold_seconds"),
                ),
            ),
        ),
        Row(
            "Contracts and payouts",
            (
                show(
                    "Contracts by state",
                    "All of them, closed ones as well.",
                    "short",
                    ("max by (state) (sps_contracts)", "{{state}}"),
                ),
                show(
                    "Payouts that are not over",
                    "By their state on the chain.",
                    "short",
                    ('max by (state) (sps_payouts{state!~"paid|failed|returned"})', "{{state}}"),
                    alerts=("OrdersLate",),
                ),
                show(
                    "Overdue deadline",
                    "How long a clock is over that no block has fired.",
                    "s",
                    ("max(sps_contract_deadline_overdue_seconds)", ""),
                    red=120,
                    alerts=("ContractDeadlineOverdue",),
                ),
                show(
                    "Orders signed and published",
                    "Signed in the fold of a block, published afterwards.",
                    "ops",
                    (rate("sps_orders_signed_total", "kind"), "signed {{kind}}"),
                    (rate("sps_orders_published_total"), "published"),
                    (rate("sps_orders_repeated_total"), "published again after a start"),
                ),
                show(
                    "Orders not published",
                    "Found waiting in the last round.",
                    "short",
                    ("max(sps_orders_unpublished)", ""),
                    alerts=("OrdersNotPublished",),
                ),
            ),
        ),
        Row(
            "Rates and conversions",
            (
                show(
                    "Age of the rates",
                    "Of the newest snapshot on the chain; after four days nobody can convert.",
                    "s",
                    ("min(sps_rates_age_seconds)", ""),
                    red=302400,
                    alerts=("RatesStale",),
                ),
                show(
                    "Looks at the source",
                    "What came of them.",
                    "short",
                    ("sum by (result) (increase(sps_rate_documents_total[1h])) > 0", "{{result}}"),
                    alerts=("RatesStale",),
                ),
                show(
                    "Quotes",
                    "Requests for a rate, by what happened to them.",
                    "ops",
                    (rate("sps_quotes_total", "result"), "{{result}}"),
                    (busy("sps_rates_refused_total", "code"), "rates refused {{code}}"),
                    alerts=("RatesRefused",),
                ),
            ),
        ),
    ),
)
