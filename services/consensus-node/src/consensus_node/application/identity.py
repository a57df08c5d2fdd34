"""One key, one node. A vote with my key that is not in my write-ahead log means that a twin runs with my key,
or that I lost my log: either way I must not vote.

Votes up to the newest final view of my log are not judged: their records may have been let go, and of one
view a part may be gone with an old segment while the rest is still there.
"""

from collections.abc import Iterable
from typing import TypeGuard

from consensus_node.core.durable import Finalized, Record, VoteCast
from consensus_node.core.messages import Message, Votes
from sps.chain.vote import Vote, VoteKind, verify_vote
from sps.runtime.errors import Refusal


class TwinFound(Refusal):
    """The node refuses to go on with this key."""

    def __init__(self, vote: Vote) -> None:
        super().__init__(
            "IDENTITY_TWICE",
            f"a {vote.kind.name} of view {vote.view} is signed with this node's key and not in its log: "
            "stop the other node with this key, or run this one as an observer",
        )


class Identity:
    """My votes, as my log knows them."""

    def __init__(self, index: int, public_key: bytes, chain_id: bytes, records: Iterable[Record]) -> None:
        self._index = index
        self._key = public_key
        self._chain_id = chain_id
        self._mine: dict[tuple[int, VoteKind], Vote] = {}
        final_view = 0
        for record in records:
            if isinstance(record, VoteCast):
                self.given(record.vote)
            elif isinstance(record, Finalized):
                final_view = max(final_view, record.view)
        self._floor = final_view + 1 if final_view else min((view for view, _ in self._mine), default=0)

    def given(self, vote: Vote) -> None:
        """Note a vote of mine that is durable."""
        self._mine[vote.view, vote.kind] = vote

    def forget(self, below_view: int) -> None:
        """Votes below this view are no longer judged."""
        if below_view > self._floor:
            self._floor = below_view
            self._mine = {place: vote for place, vote in self._mine.items() if place[0] >= below_view}

    def claimed_by(self, message: Message) -> TypeGuard[Votes]:
        """Tell whether these are votes in my name."""
        return isinstance(message, Votes) and message.validator == self._index

    def check(self, message: Message) -> None:
        """Raise `TwinFound` when somebody else votes with my key."""
        if not self.claimed_by(message):
            return
        for vote in message.votes:
            known = self._mine.get((vote.view, vote.kind))
            if vote.view < self._floor or vote == known:
                continue
            if verify_vote(vote, self._key, self._chain_id):
                raise TwinFound(vote)
