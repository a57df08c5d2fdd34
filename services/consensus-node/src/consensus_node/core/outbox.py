"""Collects what a step wants done and puts it in the one safe order: durable first, then what others see."""

from collections.abc import Sequence

from consensus_node.core.config import VOTES_PER_MESSAGE_MAX
from consensus_node.core.durable import EpochBegun, Record, VoteCast
from consensus_node.core.effects import Effect, Persist, Publish
from consensus_node.core.messages import Message, Votes
from sps.chain.vote import Vote


class Outbox:
    """One per replica, empty between steps."""

    def __init__(self, validator: int) -> None:
        self._validator = validator
        self._records: list[Record] = []
        self._votes: list[Vote] = []
        self._messages: list[Message] = []
        self._effects: list[Effect] = []

    def record(self, record: Record) -> None:
        self._records.append(record)

    def vote(self, vote: Vote, *, publish: bool) -> None:
        """A new vote of this replica: durable in any case, published unless a proposal carries it."""
        self._records.append(VoteCast(vote))
        if publish:
            self._votes.append(vote)

    def publish(self, message: Message) -> None:
        self._messages.append(message)

    def effect(self, effect: Effect) -> None:
        self._effects.append(effect)

    def flush(self) -> tuple[Effect, ...]:
        """The effects of the step: `Persist`, then messages, then the rest in order."""
        effects: list[Effect] = [Publish(message) for message in self._messages]
        for first in range(0, len(self._votes), VOTES_PER_MESSAGE_MAX):
            some = tuple(self._votes[first : first + VOTES_PER_MESSAGE_MAX])
            effects.insert(0, Publish(Votes(self._validator, some)))
        effects += self._effects
        if self._records:
            effects.insert(0, Persist(tuple(self._records), sync=_must_last(self._records, effects)))
        self._records, self._votes, self._messages, self._effects = [], [], [], []
        return tuple(effects)


def _must_last(records: Sequence[Record], effects: Sequence[Effect]) -> bool:
    """What is said rests on them; and a log must not look lost once there are blocks beside it."""
    return any(isinstance(e, Publish) for e in effects) or any(isinstance(r, EpochBegun) for r in records)
