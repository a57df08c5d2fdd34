"""What a look has found: fine, wrong, or worth knowing, and what a person can do."""

from typing import Literal

from msgspec import Struct

Verdict = Literal["ok", "note", "wrong"]


class Finding(Struct, frozen=True):
    """One line of the report. `advice` is what to do; empty when all is well."""

    service: str
    about: str
    verdict: Verdict
    found: str
    advice: str = ""


class Report:
    """Collects the findings about one service."""

    def __init__(self, service: str) -> None:
        self._service = service
        self.findings: list[Finding] = []

    def ok(self, about: str, found: str) -> None:
        """As it should be."""
        self.findings.append(Finding(self._service, about, "ok", found))

    def note(self, about: str, found: str, advice: str) -> None:
        """Not wrong, and a person should know."""
        self.findings.append(Finding(self._service, about, "note", found, advice))

    def wrong(self, about: str, found: str, advice: str) -> None:
        """Has to be mended before the service starts."""
        self.findings.append(Finding(self._service, about, "wrong", found, advice))

    @property
    def is_well(self) -> bool:
        return all(finding.verdict != "wrong" for finding in self.findings)
