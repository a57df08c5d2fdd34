"""Every currency in which money can be owed, today or in an old book: ISO 4217 with dates of validity.

Source: ISO 4217 list one as published on 2026-01-01, and of list three what was withdrawn since 1999.
The exponent of a code never changes, and a code that was ever in the table stays in it, so old books
keep their meaning. Codes without a minor unit (metals, XDR, XTS, XXX) are no money and are left out.
"""

import re
from typing import Final

from msgspec import Struct

EXPONENT_MAX: Final = 4
"""No currency has more decimals."""


class Currency(Struct, frozen=True):
    """One code. `exponent` is its number of decimals; dates are ISO days, both inclusive, None = open."""

    code: str
    numeric: str
    exponent: int
    valid_from: str | None = None
    """First day as a unit of account; None when it is older than 1999 or than the list."""
    valid_to: str | None = None
    """Last day as a unit of account; None while it is on the list."""


_BY_EXPONENT: Final = {
    0: """
        BIF108 CLP152 DJF262 GNF324 ISK352 JPY392 KMF174 KRW410 PYG600 RWF646 UGX800 UYI940 VND704 VUV548
        XAF950 XOF952 XPF953
        ADP020 BEF056 BYB112 BYR974 ESP724 GRD300 ITL380 LUF442 MGF450 PTE620 TPE626 TRL792
    """,
    2: """
        AED784 AFN971 ALL008 AMD051 AOA973 ARS032 AUD036 AWG533 AZN944 BAM977 BBD052 BDT050 BMD060 BND096
        BOB068 BOV984 BRL986 BSD044 BTN064 BWP072 BYN933 BZD084 CAD124 CDF976 CHE947 CHF756 CHW948 CNY156
        COP170 COU970 CRC188 CUP192 CVE132 CZK203 DKK208 DOP214 DZD012 EGP818 ERN232 ETB230 EUR978 FJD242
        FKP238 GBP826 GEL981 GHS936 GIP292 GMD270 GTQ320 GYD328 HKD344 HNL340 HTG332 HUF348 IDR360 ILS376
        INR356 IRR364 JMD388 KES404 KGS417 KHR116 KPW408 KYD136 KZT398 LAK418 LBP422 LKR144 LRD430 LSL426
        MAD504 MDL498 MGA969 MKD807 MMK104 MNT496 MOP446 MRU929 MUR480 MVR462 MWK454 MXN484 MXV979 MYR458
        MZN943 NAD516 NGN566 NIO558 NOK578 NPR524 NZD554 PAB590 PEN604 PGK598 PHP608 PKR586 PLN985 QAR634
        RON946 RSD941 RUB643 SAR682 SBD090 SCR690 SDG938 SEK752 SGD702 SHP654 SLE925 SOS706 SRD968 SSP728
        STN930 SVC222 SYP760 SZL748 THB764 TJS972 TMT934 TOP776 TRY949 TTD780 TWD901 TZS834 UAH980 USD840
        USN997 UYU858 UZS860 VED926 VES928 WST882 XAD396 XCD951 XCG532 YER886 ZAR710 ZMW967 ZWG924
        AFA004 AOR982 ANG532 ATS040 AZM031 BGL100 BGN975 CHC948 CSD891 CUC931 CYP196 DEM276 EEK233 FIM246
        FRF250 GHC288 HRK191 IEP372 LTL440 LVL428 MRO478 MTL470 MZM508 NLG528 ROL642 RUR810 SDD736 SIT705
        SKK703 SLL694 SRG740 STD678 TJR762 TMM795 USS998 VEB862 VEF937 YUM891 ZMK894 ZWD716 ZWL932 ZWN942
        ZWR935
    """,
    3: "BHD048 IQD368 JOD400 KWD414 LYD434 OMR512 TND788",
    4: "CLF990 UYW927",
}

_VALID_FROM: Final = """
    AFN2002-10-07 AOA1999-12-01 AZN2006-01-01 BGN1999-07-05 BYN2016-07-01 BYR2000-01-01 CHE2004-11-01
    CHW2004-11-01 CSD2003-07-01 EUR1999-01-01 GHS2007-07-03 MGA2003-07-31 MRU2018-01-01 MZN2006-07-01
    RON2005-07-01 RSD2006-10-25 SDG2007-01-10 SLE2022-07-01 SRD2004-01-01 SSP2011-07-18 STN2018-01-01
    TJS2000-10-30 TMT2009-01-01 TRY2005-01-01 UYW2018-08-29 VED2021-10-01 VEF2008-01-01 VES2018-08-20
    XCG2025-03-31 ZMW2013-01-01 ZWG2024-06-25 ZWL2009-02-02 ZWN2006-08-01 ZWR2008-08-01
"""

_VALID_TO: Final = """
    ADP2001-12-31 AFA2002-12-31 ANG2025-06-30 AOR2000-01-31 ATS2001-12-31 AZM2005-12-31 BEF2001-12-31
    BGL1999-07-04 BGN2025-12-31 BYB2000-12-31 BYR2016-12-31 CHC2004-10-31 CSD2006-10-24 CUC2021-06-30
    CYP2007-12-31 DEM2001-12-31 EEK2010-12-31 ESP2001-12-31 FIM2001-12-31 FRF2001-12-31 GHC2007-12-31
    GRD2001-12-31 HRK2022-12-31 IEP2001-12-31 ITL2001-12-31 LTL2014-12-31 LUF2001-12-31 LVL2013-12-31
    MGF2004-12-31 MRO2018-06-30 MTL2007-12-31 MZM2006-12-31 NLG2001-12-31 PTE2001-12-31 ROL2005-06-30
    RUR2003-12-31 SDD2007-06-30 SIT2006-12-31 SKK2008-12-31 SLL2023-12-31 SRG2003-12-31 STD2017-12-31
    TJR2000-10-29 TMM2008-12-31 TPE2002-05-19 TRL2005-12-31 USS2014-03-27 VEB2007-12-31 VEF2018-08-19
    YUM2003-06-30 ZMK2012-12-31 ZWD2006-07-31 ZWL2024-08-31 ZWN2008-07-31 ZWR2009-02-01
"""

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def currency_of(code: str) -> Currency | None:
    """The currency with this code, current or withdrawn; None when no money ever had it."""
    return _TABLE.get(code)


def is_current(code: str, on_date: str) -> bool:
    """Tell whether new money may be owed in `code` on the day `on_date` (`YYYY-MM-DD`)."""
    if not _DAY.fullmatch(on_date):
        raise ValueError(f"a day is written like 2026-01-31, not {on_date!r}")
    known = _TABLE.get(code)
    if known is None:
        return False
    return (known.valid_from or on_date) <= on_date <= (known.valid_to or on_date)


def _dates(table: str) -> dict[str, str]:
    return {item[:3]: item[3:] for item in table.split()}


def _read() -> dict[str, Currency]:
    first, last = _dates(_VALID_FROM), _dates(_VALID_TO)
    return {
        item[:3]: Currency(item[:3], item[3:], exponent, first.get(item[:3]), last.get(item[:3]))
        for exponent, table in _BY_EXPONENT.items()
        for item in table.split()
    }


_TABLE: Final = _read()
