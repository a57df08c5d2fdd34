"""What a use case says when it does not do what was asked."""

from typing import Final

from sps.runtime.errors import Refusal

UNKNOWN: Final = "UNKNOWN"


class SandboxRefused(Refusal):
    """The sandbox was asked for something that makes no sense here."""


class AnswerLost(Exception):
    """The call was executed; its answer must not arrive (the sandbox was told to misbehave)."""
