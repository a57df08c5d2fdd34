"""Moments: a carrier's text of a time becomes whole Unix milliseconds, or nothing. Pure, without floats.

A time without a zone is read in the zone that the same message states elsewhere, else in UTC.
Should that make it lie ahead of us, `tracking` holds it back until it has come: late is safe, early is not.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
TEXT_CHARS_MAX: Final = 40
_MILLISECOND: Final = timedelta(milliseconds=1)


def unix_ms(text: Any, zone: tzinfo = UTC) -> int | None:
    """Read an ISO 8601 text; None for anything else and for years no parcel has lived in."""
    moment = _read(text)
    if moment is None:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return (moment - EPOCH) // _MILLISECOND if EARLIEST <= moment < LATEST else None


def zone_of(text: Any) -> tzinfo:
    """The zone that a text states; UTC when it states none."""
    moment = _read(text)
    return UTC if moment is None or moment.tzinfo is None else moment.tzinfo


def _read(text: Any) -> datetime | None:
    if not isinstance(text, str) or len(text) > TEXT_CHARS_MAX:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
