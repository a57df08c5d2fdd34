"""What a log on Kafka tells about itself; whoever counts it is above the event log."""

from typing import Literal, Protocol

LogResult = Literal["ok", "trouble", "refused"]


class LogMeter(Protocol):
    """Topics by their names in the table, without a prefix."""

    def published(self, topic: str, result: LogResult, records: int, seconds: float) -> None:
        """An append of so many records ended, after so many seconds."""

    def lag(self, topic: str, partition: int, records: int) -> None:
        """A reader has so many records before it, counted from where it reads."""

    def reset(self, topic: str) -> None:
        """A partition lost records that were there: it was truncated or is another one now."""

    def unreadable(self, topic: str, records: int) -> None:
        """Records were passed over because they are no records."""

    def unreachable(self, topic: str, partition: int, lost: bool) -> None:
        """A reader lost its broker for longer than a moment, or has it again."""


class NoMeter:
    """Counts nothing."""

    def published(self, topic: str, result: LogResult, records: int, seconds: float) -> None:
        """Not counted."""

    def lag(self, topic: str, partition: int, records: int) -> None:
        """Not counted."""

    def reset(self, topic: str) -> None:
        """Not counted."""

    def unreadable(self, topic: str, records: int) -> None:
        """Not counted."""

    def unreachable(self, topic: str, partition: int, lost: bool) -> None:
        """Not counted."""
