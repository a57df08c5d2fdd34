"""Named points between two steps. Production does nothing there; a test crashes there."""

from collections.abc import Callable

Probe = Callable[[str], None]


def no_probe(_step: str) -> None:
    """The probe of production."""
