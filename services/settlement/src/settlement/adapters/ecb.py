"""The ECB's euro reference rates: `eurofxref-daily.xml`, base EUR, published on TARGET days about 16:00 CET.

The document is hostile input: size bounded, parsed without entities, every rate an exact decimal.
The ECB calls its rates information only; they are our reference and bound, the spread is ours and explicit.
"""

import asyncio
import hashlib
import re
from datetime import date, datetime, time
from typing import Final
from xml.etree.ElementTree import ParseError
from zoneinfo import ZoneInfo

import httpx
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from settlement.core.rates import BadRates, PublishedRate, RateDocument
from sps.ledger.fx import RateRefused, parse_rate
from sps.runtime.errors import Trouble

DOCUMENT_BYTES_MAX: Final = 256 * 1024
RATES_MAX: Final = 200
SOURCE: Final = "ecb"
BASE: Final = "EUR"
CONCERTATION: Final = time(14, 15, tzinfo=ZoneInfo("Europe/Berlin"))
"""When the rates of a day are taken (14:15 CET)."""
FIRST_YEAR: Final = 1999
"""The euro's first; no document is older."""
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class RatesTrouble(Trouble):
    """The source did not answer with a document in time."""


class EcbSource:
    """Reads the document over HTTP, uncompressed, within a time for the whole of it."""

    def __init__(self, url: str, client: httpx.AsyncClient, within_s: float) -> None:
        self._url: Final = url
        self._client: Final = client
        self._within_s: Final = within_s

    async def fetch(self) -> bytes:
        """Return the raw document, at most `DOCUMENT_BYTES_MAX` bytes; raise `RatesTrouble` otherwise."""
        try:
            async with asyncio.timeout(self._within_s):
                return await self._fetch()
        except TimeoutError as error:
            raise RatesTrouble(f"the rate source took more than {self._within_s:g} s") from error
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
            raise RatesTrouble(f"the rate source did not answer: {error!r}") from error

    async def _fetch(self) -> bytes:
        body = bytearray()
        headers = {"accept-encoding": "identity"}  # what is not packed cannot be a bomb
        async with self._client.stream("GET", self._url, headers=headers) as response:
            if response.status_code != httpx.codes.OK:
                raise RatesTrouble(f"the rate source answered {response.status_code}")
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > DOCUMENT_BYTES_MAX:
                    raise RatesTrouble(f"the rate document has more than {DOCUMENT_BYTES_MAX} bytes")
        return bytes(body)

    def read(self, raw: bytes) -> RateDocument:
        """See `parse`."""
        return parse(raw)


def parse(document: bytes) -> RateDocument:
    """Read date and rates; raise `BadRates` naming what is wrong."""
    try:
        root = fromstring(document)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise BadRates(f"not well-formed XML: {error}") from error
    dated = [cube for cube in root.iter() if _local(cube.tag) == "Cube" and cube.get("time")]
    if len(dated) != 1:
        raise BadRates("the document must hold exactly one day of rates")
    rates = tuple(
        _rate(cube.get("currency"), cube.get("rate")) for cube in dated[0] if _local(cube.tag) == "Cube"
    )
    named = {BASE, *(rate.currency for rate in rates)}
    if not 1 <= len(rates) <= RATES_MAX or len(named) != len(rates) + 1:
        raise BadRates("the document holds no rates, too many, or one currency twice")
    return RateDocument(
        SOURCE, BASE, _as_of_ms(dated[0].get("time") or ""), hashlib.sha256(document).digest(), rates
    )


def _rate(currency: str | None, text: str | None) -> PublishedRate:
    if not currency or not text:
        raise BadRates("a rate lacks its currency or its value")
    try:
        num, den = parse_rate(text)
    except RateRefused as refusal:
        raise BadRates(f"{currency}: {refusal}") from refusal
    return PublishedRate(currency, num, den)


def _as_of_ms(text: str) -> int:
    try:
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError as error:
        raise BadRates(f"{text!r} is not a date") from error
    if day is None or day.year < FIRST_YEAR:
        raise BadRates(f"{text!r} is not a date of the euro's time")
    return int(datetime.combine(day, CONCERTATION).timestamp()) * 1000


def _local(tag: object) -> str:
    return str(tag).rpartition("}")[2]
