"""Every metric of settlement. Labels are rows of the posting table, currencies and our own few words."""

import re
from collections import Counter as Tally
from collections.abc import Callable, Mapping, Sequence
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from settlement.core.books import Entry
from settlement.core.quotes import QuoteNews
from settlement.core.rates import Advice, Verdict
from sps.chain.receipt import OK
from sps.escrow.header import HeaderState
from sps.escrow.state import PayoutState
from sps.ledger import postings
from sps.runtime.metrics import DB_BUCKETS

PROVIDER_ACCOUNT: Final = "1000/"
HELD: Final = "2000"
"""The account code of money in escrow."""
MEMO: Final = "9"
"""What the codes of memo accounts begin with; they sum to zero among themselves."""
ROWS: Final = tuple(
    sorted(
        name.removesuffix("_mirror").upper() + "M" * name.endswith("_mirror")
        for name in vars(postings)
        if re.fullmatch(r"p\d\d(_mirror)?", name)
    )
)
"""All rows of the posting table (`docs/ledger.md`)."""
OTHER: Final = "other"
"""The label of providers that the genesis document does not name."""
ROUNDS: Final = (*get_args(Advice), "bad", "unreachable")
QUOTE_WORDS: Final = ("requested", "locked", "used", "expired", "refused")
RATE_REFUSALS: Final = (
    "JUMP_NEEDS_APPROVAL",
    "RATES_NOT_NEWER",
    "RATES_TOO_OLD",
    "RATE_BASE_DIFFERS",
    "RATE_TWICE",
    "UNKNOWN_CURRENCY",
)


class BookMetrics:
    """The fold: journals, postings, and the two alarms that need a person at once."""

    def __init__(self, registry: CollectorRegistry, providers: Sequence[str]) -> None:
        self._known: Final = frozenset(providers)
        self._below: Final[dict[str, int]] = {}
        self.journals: Final = Counter(
            "sps_journals_total", "Journals written, by row of the posting table", ("row",), registry=registry
        )
        self.postings: Final = Counter("sps_postings_total", "Lines of journals written", registry=registry)
        self.fold: Final = Histogram(
            "sps_block_fold_seconds",
            "Time to write one block into the books",
            buckets=DB_BUCKETS,
            registry=registry,
        )
        self.imbalance: Final = Gauge(
            "sps_ledger_imbalance_minor_units",
            "Sum of all balances when last summed; must be 0",
            ("currency",),
            registry=registry,
        )
        self.negative: Final = Gauge(
            "sps_books_provider_negative",
            "Minor units by which our books say less than nothing at a provider",
            ("provider", "currency"),
            registry=registry,
        )
        self.balances: Final = Gauge(
            "sps_ledger_balance_minor_units",
            "Sum of all accounts with this code when last summed; debit positive",
            ("account", "currency"),
            registry=registry,
        )
        self.held: Final = Gauge(
            "sps_escrow_held_minor_units",
            "Money in escrow (account 2000) when last summed",
            ("currency",),
            registry=registry,
        )

        for row in ROWS:
            self.journals.labels(row)

    def written(self, entries: Sequence[Entry]) -> None:
        """Count what a committed block has added."""
        for kind, count in Tally(entry.journal.kind for entry in entries).items():
            self.journals.labels(kind).inc(count)
        self.postings.inc(sum(len(entry.journal.postings) for entry in entries))

    def summed(self, sums: Mapping[tuple[bool, str], int]) -> None:
        """Show what all accounts sum to."""
        for currency in {currency for _, currency in sums}:
            total = sum(abs(sums.get((memo, currency), 0)) for memo in (False, True))
            self.imbalance.labels(currency).set(total)

    def totalled(self, totals: Mapping[tuple[str, str], int]) -> None:
        """Show what the accounts of each code and currency sum to, and from that the sums of all."""
        sums: Tally[tuple[bool, str]] = Tally()
        for (code, currency), total in totals.items():
            self.balances.labels(code, currency).set(total)
            sums[code.startswith(MEMO), currency] += total
            if code == HELD:
                self.held.labels(currency).set(-total)
        self.summed(sums)

    def stands(self, balances: Mapping[str, int]) -> list[str]:
        """Take note of provider accounts; returns those that have just gone below zero."""
        fallen: list[str] = []
        for address, balance in balances.items():
            if address.startswith(PROVIDER_ACCOUNT):
                before = self._below.get(address, 0)
                self._below[address] = max(0, -balance)
                self._show(address)
                if balance < 0 and not before:
                    fallen.append(address)
        return fallen

    def _show(self, address: str) -> None:
        place = self._place(address)
        total = sum(below for each, below in self._below.items() if self._place(each) == place)
        self.negative.labels(*place).set(total)

    def _place(self, address: str) -> tuple[str, str]:
        _, provider, currency = address.split("/")
        return provider if provider in self._known else OTHER, currency


class ContractMetrics:
    """What the chain's state holds, counted now and then."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._contracts: Final = Gauge(
            "sps_contracts", "Contracts by the state that people see", ("state",), registry=registry
        )
        self._payouts: Final = Gauge(
            "sps_payouts", "Payouts by their state on the chain", ("state",), registry=registry
        )
        self._overdue: Final = Gauge(
            "sps_contract_deadline_overdue_seconds",
            "How long the oldest deadline is over that no block has fired; 0: none is",
            registry=registry,
        )
        self.counted({}, {})

    def counted(self, contracts: Mapping[str, int], payouts: Mapping[str, int]) -> None:
        """Show these numbers; a state that is not named has none."""
        for state in get_args(HeaderState):
            self._contracts.labels(state).set(contracts.get(state, 0))
        for state in get_args(PayoutState):
            self._payouts.labels(state).set(payouts.get(state, 0))

    def measure_overdue(self, seconds: Callable[[], float]) -> None:
        """Ask whenever somebody looks."""
        self._overdue.set_function(seconds)


class OrderMetrics:
    """Orders to the payment gateway."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.signed: Final = Counter(
            "sps_orders_signed_total", "Orders written by the fold", ("kind",), registry=registry
        )
        self.published: Final = Counter(
            "sps_orders_published_total", "Orders appended to the event log", registry=registry
        )
        self.repeated: Final = Counter(
            "sps_orders_repeated_total",
            "Orders published again after a start, because they are open on the chain",
            registry=registry,
        )
        self.unpublished: Final = Gauge(
            "sps_orders_unpublished", "Orders found waiting in the last round", registry=registry
        )
        for kind in ("payout", "refund"):
            self.signed.labels(kind)


class RateMetrics:
    """Reference rates and the locks made of them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.age: Final = Gauge(
            "sps_rates_age_seconds", "Age of the chain's newest rates; +Inf without any", registry=registry
        )
        self.documents: Final = Counter(
            "sps_rate_documents_total",
            "Looks at the source, by what came of it",
            ("result",),
            registry=registry,
        )
        self.refused: Final = Counter(
            "sps_rates_refused_total", "Submitted rates that the chain refused", ("code",), registry=registry
        )
        self.quotes: Final = Counter(
            "sps_quotes_total", "Quotes by what happened to them", ("result",), registry=registry
        )
        for word in ROUNDS:
            self.documents.labels(word)
        for code in RATE_REFUSALS:
            self.refused.labels(code)
        for word in QUOTE_WORDS:
            self.quotes.labels(word)

    def measure_age(self, seconds: Callable[[], float]) -> None:
        """Ask for the age whenever somebody looks."""
        self.age.set_function(seconds)

    def quoted(self, news: QuoteNews) -> None:
        """Count what a committed block did to quotes."""
        for word in QUOTE_WORDS:
            self.quotes.labels(word).inc(len(getattr(news, word)))

    def judged(self, verdicts: Sequence[Verdict]) -> None:
        """Count the refusals among the chain's answers."""
        for verdict in verdicts:
            if verdict.code != OK:
                self.refused.labels(verdict.code).inc()


class Metrics:
    """One registry for the service."""

    def __init__(self, providers: Sequence[str] = ()) -> None:
        self.registry: Final = CollectorRegistry()
        self.books: Final = BookMetrics(self.registry, providers)
        self.orders: Final = OrderMetrics(self.registry)
        self.rates: Final = RateMetrics(self.registry)
        self.contracts: Final = ContractMetrics(self.registry)
