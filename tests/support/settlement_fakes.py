"""What is around settlement in tests: a source of rates, validators that are silent, a process that ends."""

from typing import Final

from settlement.adapters.ecb import RatesTrouble, parse
from settlement.core.rates import RateDocument
from sps.runtime.probe import Probe

DAY: Final = "2023-11-14"
"""The day of the first blocks of a test chain, which begin at 22:13 UTC."""


def document(day: str = DAY, **rates: str) -> bytes:
    """The ECB's document with a few rates."""
    named = {"USD": "1.0850", "CNY": "7.8512", "JPY": "163.21"} | rates
    cubes = "".join(f"<Cube currency='{code}' rate='{rate}'/>" for code, rate in named.items())
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"'
        ' xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">'
        f"<Cube><Cube time='{day}'>{cubes}</Cube></Cube></gesmes:Envelope>"
    ).encode()


class FakeSource:
    """Answers with a document, or with trouble while there is none."""

    def __init__(self, raw: bytes | None = None) -> None:
        self.raw = raw
        self.looks = 0

    async def fetch(self) -> bytes:
        self.looks += 1
        if self.raw is None:
            raise RatesTrouble("nobody answers")
        return self.raw

    def read(self, raw: bytes) -> RateDocument:
        return parse(raw)


class Nobody:
    """Validators that cannot be reached."""

    async def blocks(self, _first: int, _limit: int) -> list[bytes]:
        return []

    async def batch(self, _digest: bytes) -> bytes | None:
        return None

    async def stop(self) -> None:
        """Nothing is open."""


class Crash(Exception):
    """The process ends here."""


def crash_once_at(step: str, occurrence: int = 1) -> Probe:
    """A probe that ends the process the n-th time a step is reached, once."""
    left = [occurrence]

    def probe(name: str) -> None:
        if name == step:
            left[0] -= 1
            if left[0] == 0:
                raise Crash(step)

    return probe
