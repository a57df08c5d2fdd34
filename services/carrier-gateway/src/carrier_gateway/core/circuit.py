"""A circuit: after several failures in a row a carrier is left alone for a while, then asked once. Pure.

Without it every parcel would find out for itself that the carrier is down, each with a call that times out.
"""

from typing import Final

from msgspec import Struct

from carrier_gateway.core.patience import MINUTE_MS, RETRY_FIRST_MS

FAILURES_MAX: Final = 5
"""In a row; the next one opens the circuit further."""
REST_MS_MAX: Final = 5 * MINUTE_MS
_DOUBLINGS_MAX: Final = 16


class Circuit(Struct, frozen=True):
    """Closed while `failures` are few; open until `rest_until_ms`; then half open: one call decides."""

    failures: int = 0
    rest_until_ms: int = 0

    def calls_allowed(self, now_ms: int, wanted: int) -> int:
        """How many of the wanted calls may be made now."""
        if now_ms < self.rest_until_ms:
            return 0
        return wanted if self.failures < FAILURES_MAX else min(wanted, 1)

    def after(self, now_ms: int, *, well: bool) -> "Circuit":
        """The circuit after a call."""
        if well:
            return Circuit()
        failures = self.failures + 1
        if failures < FAILURES_MAX:
            return Circuit(failures, self.rest_until_ms)
        doublings = min(failures - FAILURES_MAX, _DOUBLINGS_MAX)
        return Circuit(failures, now_ms + min(RETRY_FIRST_MS << doublings, REST_MS_MAX))
