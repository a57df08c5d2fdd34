"""The ECB's daily reference rates: the real document's form with a fixed, plausible table. Base EUR.

Published on weekdays about 16:00 in Frankfurt; before that the document is the last weekday's.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

PUBLISHED_UTC_HOUR: Final = 15
SATURDAY: Final = 5

RATES: Final = {
    "USD": "1.0850", "JPY": "163.21", "CZK": "25.105", "DKK": "7.4592", "GBP": "0.84370", "HUF": "391.48",
    "PLN": "4.2785", "RON": "4.9743", "SEK": "11.2880", "CHF": "0.9577", "ISK": "149.30", "NOK": "11.4385",
    "TRY": "35.4760", "AUD": "1.6413", "BRL": "5.5874", "CAD": "1.4789", "CNY": "7.8512", "HKD": "8.4786",
    "IDR": "17342.10", "ILS": "4.0276", "INR": "90.3425", "KRW": "1478.33", "MXN": "18.2310", "MYR": "5.0915",
    "NZD": "1.7764", "PHP": "62.548", "SGD": "1.4617", "THB": "39.386", "ZAR": "20.1438",
}  # fmt: skip


def rate_day(unix_ms: int) -> str:
    """The ISO day whose rates are published by this moment."""
    now = datetime.fromtimestamp(unix_ms // 1000, UTC)
    day = now.date() if now.hour >= PUBLISHED_UTC_HOUR else now.date() - timedelta(days=1)
    while day.weekday() >= SATURDAY:
        day -= timedelta(days=1)
    return day.isoformat()


def ecb_document(unix_ms: int) -> str:
    """`eurofxref-daily.xml`."""
    cubes = "\n".join(f"\t\t\t<Cube currency='{code}' rate='{rate}'/>" for code, rate in RATES.items())
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" \
xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
\t<gesmes:subject>Reference rates</gesmes:subject>
\t<gesmes:Sender>
\t\t<gesmes:name>European Central Bank</gesmes:name>
\t</gesmes:Sender>
\t<Cube>
\t\t<Cube time='{rate_day(unix_ms)}'>
{cubes}
\t\t</Cube>
\t</Cube>
</gesmes:Envelope>
"""
