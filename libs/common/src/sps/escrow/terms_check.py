"""What may stand in terms: every contract has an exit, exact sums and bounded clocks, or is not opened.

Refused before any money moves, with a code and what to do (`docs/life-of-a-contract.md`, terms).
"""

from datetime import date, timedelta
from functools import lru_cache
from typing import Final

from sps.currencies import is_current
from sps.escrow.clocks import RANGES, RESERVE_MS_MAX
from sps.escrow.refusals import Refused
from sps.money import share_half_even
from sps.transactions.terms import DAY_MS, Clocks, Terms
from sps.transactions.values import PARCELS_MAX

AMOUNT_MAX: Final = 10**15
"""Largest price or payment, in minor units."""

INSTANT_LEVEL_MIN: Final = 3
"""Release at the delivery itself needs an address match and a document (L3)."""

_DAYS_CACHED: Final = 512
_DAY_ZERO: Final = date(1970, 1, 1)


def check_terms(terms: Terms, now_ms: int) -> None:
    """Refuse terms that could get money stuck, lose a unit or mislead a party."""
    check_currency(terms.currency, now_ms)
    price = int(terms.price)
    _check_sums(terms, price)
    _check_names(terms)
    _check_clocks(terms.clocks)
    _check_release(terms)
    _check_fees(terms, price)


def parcel_names(terms: Terms) -> tuple[str, ...]:
    """All parcels of the tranches, in the order in which they are first named."""
    if len(terms.tranches) == 1:
        return terms.tranches[0].parcels
    return tuple(dict.fromkeys(name for tranche in terms.tranches for name in tranche.parcels))


def check_currency(code: str, now_ms: int) -> None:
    """Refuse a code in which no new money may be owed on the day of the block."""
    if not _is_current(code, now_ms // DAY_MS):
        raise Refused("UNKNOWN_CURRENCY", f"{code} is not in use")


@lru_cache(maxsize=_DAYS_CACHED)
def _is_current(code: str, day: int) -> bool:
    return is_current(code, (_DAY_ZERO + timedelta(days=day)).isoformat())


def _check_sums(terms: Terms, price: int) -> None:
    total = sum([int(tranche.amount) for tranche in terms.tranches])
    if total != price:
        raise Refused("SUM_DIFFERS", f"the tranches sum to {total}, the price is {price}")
    if price > AMOUNT_MAX:
        raise Refused("AMOUNT_OUT_OF_BOUNDS", f"the price is {price}")
    if terms.tolerance != "0" and int(terms.tolerance) >= min(int(t.amount) for t in terms.tranches):
        raise Refused("TOLERANCE_TOO_LARGE")


def _check_names(terms: Terms) -> None:
    tranches, carriers = terms.tranches, terms.carriers
    if len({tranche.id for tranche in tranches}) != len(tranches) or len(set(carriers)) != len(carriers):
        raise Refused("DUPLICATE_ID")
    for tranche in tranches:
        if len(set(tranche.parcels)) != len(tranche.parcels):
            raise Refused("DUPLICATE_ID")
    if len(parcel_names(terms)) > PARCELS_MAX:
        raise Refused("TOO_MANY_PARCELS")


@lru_cache(maxsize=_DAYS_CACHED)
def _clock_trouble(clocks: Clocks) -> tuple[str, str] | None:
    for name, (shortest, longest) in RANGES.items():
        if not shortest <= (duration := getattr(clocks, name)) <= longest:
            return "CLOCK_OUT_OF_RANGE", f"{name} is {duration} ms, {shortest} to {longest} are allowed"
    if clocks.inspection > clocks.max_hold:
        return "CLOCKS_CONTRADICT", "inspection is longer than max_hold"
    if clocks.ship_by + clocks.inspection > clocks.max_hold:
        return "CLOCKS_CONTRADICT", "ship_by and inspection together are longer than max_hold"
    return None


def _check_clocks(clocks: Clocks) -> None:
    trouble = _clock_trouble(clocks)
    if trouble is not None:
        raise Refused(*trouble)


def _check_release(terms: Terms) -> None:
    if terms.release == "on_delivery" and terms.min_level < INSTANT_LEVEL_MIN:
        raise Refused("LEVEL_TOO_LOW")


def _check_fees(terms: Terms, price: int) -> None:
    fees = terms.fees
    if fees.tax_bp and not fees.tax_country:
        raise Refused("TAX_COUNTRY_MISSING")
    if bool(fees.reserve_bp) != bool(fees.reserve_ms) or fees.reserve_ms > RESERVE_MS_MAX:
        raise Refused("RESERVE_CONTRADICTS")
    if int(fees.cancel) > price:
        raise Refused("CANCEL_FEE_TOO_LARGE")
    fee = share_half_even(price, fees.fee_bp)
    taken = fee + share_half_even(fee, fees.tax_bp) + int(fees.freight) + int(terms.tolerance)
    if taken + share_half_even(price, fees.reserve_bp) >= price and taken:
        raise Refused("FEES_EXCEED_PRICE", f"{taken} of {price} would be taken")
    if fees.reserve_bp == 10_000:  # noqa: PLR2004 the whole
        raise Refused("FEES_EXCEED_PRICE", "all of the price would be kept as reserve")
