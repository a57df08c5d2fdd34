import asyncio
import hashlib
import random

import httpx
import pytest

from settlement.adapters.ecb import DOCUMENT_BYTES_MAX, EcbSource, RatesTrouble, parse
from settlement.core.rates import BadRates, PublishedRate, RateDocument, publication
from sps.transactions.codec import decode, encode

DOCUMENT = b"""<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
 <gesmes:subject>Reference rates</gesmes:subject>
 <Cube><Cube time='2026-11-20'><Cube currency='USD' rate='1.0850'/><Cube currency='JPY' rate='163.21'/><Cube currency='CNY' rate='7.8512'/></Cube></Cube>
</gesmes:Envelope>"""


def test_the_document_is_read_as_exact_ratios_with_its_hash_and_day():
    read = parse(DOCUMENT)
    assert [(r.currency, r.num, r.den) for r in read.rates] == [
        ("USD", 217, 200),
        ("JPY", 16321, 100),
        ("CNY", 4907, 625),
    ]
    assert read.digest == hashlib.sha256(DOCUMENT).digest()
    assert read.as_of_ms == 1_795_180_500_000  # 2026-11-20 14:15 in Frankfurt


@pytest.mark.parametrize(
    "spoiled",
    [
        b"",
        b"not xml",
        DOCUMENT[:200],
        DOCUMENT.replace(b"1.0850", b"0"),
        DOCUMENT.replace(b"1.0850", b"-1.0850"),
        DOCUMENT.replace(b"1.0850", b"1e3"),
        DOCUMENT.replace(b"1.0850", b"NaN"),
        DOCUMENT.replace(b"1.0850", "\u0661.0850".encode()),
        DOCUMENT.replace(b"2026-11-20", b"2026-13-20"),
        DOCUMENT.replace(b"time='2026-11-20'", b""),
        DOCUMENT.replace(b"2026-11-20", b"1998-12-31"),
        DOCUMENT.replace(b"2026-11-20", b"20261120"),
        DOCUMENT.replace(b"JPY", b"USD"),
        DOCUMENT.replace(b"JPY", b"EUR"),
        DOCUMENT.replace(b"1.0850", b"0." + b"0" * 16 + b"15"),
        DOCUMENT.replace(b"UTF-8", b"utf-99"),
        b"<a>" * 80_000,
        DOCUMENT.replace(b" rate='1.0850'", b""),
        DOCUMENT.replace(b"<gesmes:Envelope", b'<!DOCTYPE x [<!ENTITY a "b">]><gesmes:Envelope').replace(
            b"Reference", b"&a;"
        ),
    ],
)
def test_a_spoiled_document_gives_no_rates(spoiled):
    with pytest.raises(BadRates):
        parse(spoiled)


@pytest.mark.parametrize(
    ("text", "num", "den"), [("0.0625", 1, 16), ("17892", 17892, 1), ("1.000000001", 1000000001, 10**9)]
)
def test_a_rate_keeps_every_published_digit(text, num, den):
    read = parse(DOCUMENT.replace(b"1.0850", text.encode()))
    assert read.rates[0] == PublishedRate("USD", num, den)


def test_the_publication_leaves_out_what_is_no_currency():
    read = parse(DOCUMENT.replace(b"JPY", b"QQQ"))
    published = publication(read, 1)
    assert [rate.quote for rate in published.rates] == ["USD", "CNY"]


def mutated(seed):
    """A document with a few bytes, pieces or attributes spoiled."""
    chance, raw = random.Random(seed), bytearray(DOCUMENT)
    pieces = [
        b"<",
        b">",
        b"'",
        b"&lt;",
        b"Cube",
        b"rate='",
        b"time='2026-11-21'",
        b"\xff",
        b"\x00",
        b"9" * 30,
        b"]]>",
    ]
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(raw))
        match chance.randrange(4):
            case 0:
                raw[at] = chance.randrange(256)
            case 1:
                del raw[at : at + chance.randint(1, 60)]
            case 2:
                raw[at:at] = chance.choice(pieces)
            case _:
                end = at + chance.randint(1, 80)
                raw[at:at] = raw[at:end]
    return bytes(raw)


@pytest.mark.parametrize("start", range(0, 300, 50))
def test_a_spoiled_document_is_refused_or_read_whole_and_never_anything_else(start):
    for seed in range(start, start + 50):
        raw = mutated(seed)
        try:
            read = parse(raw)
            published = publication(read, 1)
        except BadRates:
            continue
        assert isinstance(read, RateDocument)
        assert read.digest == hashlib.sha256(raw).digest()
        assert decode(encode(published)) == published, f"what is sent is always readable (seed {seed})"


async def fetch(answer, within_s=5.0):
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        return await EcbSource("https://rates.example/daily.xml", client, within_s).fetch()


async def test_the_document_is_fetched_as_it_is():
    assert await fetch(lambda _: httpx.Response(200, stream=httpx.ByteStream(DOCUMENT))) == DOCUMENT


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500),
        httpx.Response(302, headers={"location": "https://elsewhere.example/"}),
        httpx.Response(200, stream=httpx.ByteStream(b"x" * (DOCUMENT_BYTES_MAX + 1))),
    ],
)
async def test_a_source_that_fails_or_floods_is_trouble(answer):
    with pytest.raises(RatesTrouble):
        await fetch(lambda _: answer)


async def test_a_source_that_drips_is_trouble_in_time():
    class Drip(httpx.AsyncByteStream):
        async def __aiter__(self):
            while True:
                yield b" "
                await asyncio.sleep(0.001)

    with pytest.raises(RatesTrouble, match="took more than"):
        await fetch(lambda _: httpx.Response(200, stream=Drip()), within_s=0.05)


async def test_a_source_that_cannot_be_reached_is_trouble():
    def nobody(request):
        raise httpx.ConnectError("no route", request=request)

    with pytest.raises(RatesTrouble, match="did not answer"):
        await fetch(nobody)
