"""The port to counters: use cases say what happened, `metrics.py` makes numbers of it."""

from typing import Protocol


class Tally(Protocol):
    """Every method is called once per event and never fails. Label values are bounded by the caller."""

    def received(self, carrier: str, verdict: str) -> None:
        """A webhook: `accepted`, `duplicate` or why it was refused."""

    def translated(self, carrier: str, outcome: str, waited_ms: int) -> None:
        """A message was handled, so long after it came."""

    def gave(self, carrier: str, origin: str, facts: int) -> None:
        """Facts went into the outbox."""

    def unknown_words(self, carrier: str, count: int) -> None:
        """Statuses that we have no word for."""

    def asked(self, carrier: str, call: str, outcome: str) -> None:
        """A call to the carrier ended: `ok`, `trouble` or `refused`."""

    def chain_refused(self, kind: str, code: str) -> None:
        """The chain refused a transaction of ours."""
