"""Three kinds of errors, and the kind decides who handles it (`docs/life-of-a-contract.md`).

Refusal: a rule says no, with a stable code; told to whoever asked. Trouble: the world failed; retried with
a bounded backoff. Defect: an invariant broke; the service stops where it is and skips nothing.
"""

from typing import Final

import httpx

from sps.eventlog.port import LogTrouble


class Refusal(Exception):
    """A rule says no. `code` is stable and part of the interface; `message` says what to do."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message


class Trouble(Exception):
    """The world failed for now; the same step may be tried again."""


class Defect(Exception):
    """An invariant broke; nothing may go on as if it had not."""


_TROUBLE: Final = (
    Trouble,
    LogTrouble,
    OSError,
    TimeoutError,
    httpx.TransportError,
)


def is_trouble(error: BaseException) -> bool:
    """Tell whether to try again; everything that is neither trouble nor a refusal is a defect."""
    return isinstance(error, _TROUBLE)
