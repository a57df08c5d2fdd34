"""Patience: when to try again, when to ask a silent parcel, when to stop. Pure; all times in milliseconds.

A retry is bounded in number, a poll only in rate: a parcel is asked for as long as its contract waits for it.
"""

from typing import Final

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS

RETRY_FIRST_MS: Final = 1_000
RETRY_WORST_MS: Final = HOUR_MS
ATTEMPTS_MAX: Final = 20
"""Attempts of one intent: with doubling up to an hour this is about half a day."""

SILENCE_MS: Final = 15 * MINUTE_MS
"""After this long without a word from the carrier a parcel is asked for."""
POLL_WORST_MS: Final = 6 * HOUR_MS
SOON_MS: Final = MINUTE_MS
"""The pause when there is a reason to expect news: an unconfirmed hint, a proof that could not be fetched."""
HINT_PULLS_MAX: Final = 5
"""Pulls that a hint triggers before it goes to the chain as what it is, about half a minute later."""
_DOUBLINGS_MAX: Final = 32


def retry_after_ms(attempts: int, least_ms: int = 0) -> int | None:
    """The pause after the n-th failed attempt (n from 1), not below what the carrier asked; None: give up."""
    if attempts >= ATTEMPTS_MAX:
        return None
    return max(
        min(RETRY_FIRST_MS << min(attempts - 1, _DOUBLINGS_MAX), RETRY_WORST_MS),
        min(least_ms, RETRY_WORST_MS),
    )


def poll_after_ms(silent_polls: int, silence_ms: int = SILENCE_MS, *, soon: bool = False) -> int:
    """The pause before the next question, after n questions in a row that brought nothing new.

    `soon` begins with a minute instead: news is expected, yet it may never come.
    """
    first_ms = min(SOON_MS, silence_ms) if soon else silence_ms
    return min(first_ms << min(silent_polls, _DOUBLINGS_MAX), max(POLL_WORST_MS, silence_ms))
