"""When a message that was not taken is sent again. Pauses in milliseconds, bounded; then it is given up.

The real schedules span hours and days (Alipay: 25 hours, Stripe: 3 days). Here they begin quickly, so that
a platform that was restarted hears soon, and they end within a day.
"""

from typing import Final

SECOND_MS: Final = 1_000
PAUSES_MS: Final = (
    200, 400, 800, 1_500, 3_000, 5_000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000, 600_000,
    1_800_000, 3_600_000, 7_200_000, 21_600_000, 43_200_000,
)  # fmt: skip


def next_due_ms(now_ms: int, attempts: int) -> int | None:
    """When to try again after so many attempts; None: give up."""
    return now_ms + PAUSES_MS[attempts - 1] if 1 <= attempts <= len(PAUSES_MS) else None
