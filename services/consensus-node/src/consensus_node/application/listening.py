"""The ear of the node. At first it only listens, for a twin with the same key; then it lets the replica hear.

What was heard meanwhile is kept, bounded, and told to the replica right after its start.
"""

from collections import deque
from typing import Final

from consensus_node.application.identity import Identity
from consensus_node.application.inbox import Inbox, SteadyClock
from consensus_node.core.inputs import Received
from consensus_node.core.messages import Message

HEARD_MAX: Final = 4_000


class Listening:
    """Every message of the consensus topic passes here."""

    def __init__(self, identity: Identity | None, inbox: Inbox, clock: SteadyClock) -> None:
        self._identity = identity
        self._inbox = inbox
        self._clock = clock
        self._heard: deque[Message] | None = deque(maxlen=HEARD_MAX)

    def heard(self, message: Message) -> None:
        """Take a message; raises `TwinFound` when it proves that somebody else votes with this node's key.

        Votes in this node's name that prove nothing are its own or forged: the replica knows what it said.
        """
        if self._identity is not None:
            self._identity.check(message)
        if self._heard is not None:
            self._heard.append(message)
        elif self._identity is None or not self._identity.claimed_by(message):
            self._inbox.put(Received(self._clock.now_ms(), message))

    def end(self) -> None:
        """The replica has started: tell it what was heard, and from now on everything at once."""
        heard, self._heard = self._heard, None
        for message in heard or ():
            self._inbox.put(Received(self._clock.now_ms(), message))
