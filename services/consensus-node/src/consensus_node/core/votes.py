"""The votes of one view: unverified until their weight could be a quorum, then all verified at once.

Per validator at most one vote of a kind is kept, plus one that contradicts it: the evidence. A forged vote
never keeps out the true one: as soon as two differ, both are verified.
"""

from typing import Literal

from consensus_node.core.authority import Authority
from consensus_node.core.effects import Evidence, Fault
from sps.chain.certificate import Certificate, certificate_of
from sps.chain.vote import Vote, VoteKind

VOTES_OF_A_KIND_MAX = 2

Finding = Certificate | Evidence | Fault


class _Kept:
    __slots__ = ("verified", "vote")

    def __init__(self, vote: Vote, *, verified: bool) -> None:
        self.vote = vote
        self.verified = verified


class VoteKeeper:
    """Takes votes of one view in any order, any number of times; says what follows from each."""

    __slots__ = ("_authority", "_certified", "_kept")

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._kept: dict[tuple[VoteKind, int], list[_Kept]] = {}
        self._certified: set[VoteKind] = set()

    def add(self, vote: Vote, *, verified: bool = False) -> list[Finding]:
        """Take one vote. A repeated or late one changes nothing."""
        mine = self._kept.setdefault((vote.kind, vote.validator), [])
        known = next((k for k in mine if k.vote.block_id == vote.block_id), None)
        if known is not None and (known.verified or known.vote.signature == vote.signature):
            return []
        new = _Kept(vote, verified=verified)
        findings: list[Finding] = []
        if mine and not self._settle(mine, new, findings):
            return findings
        mine.append(new)
        findings += self._contradiction(mine, new)
        if vote.kind not in self._certified:
            findings += self._certificate(vote)
        return findings

    def supporters(self, kind: VoteKind) -> list[int]:
        """Who gave a verified vote of this kind; verifies now what was not yet."""
        return [v for (k, v), kept in self._kept.items() if k is kind and any(map(self._check, kept))]

    def voters(self, kind: VoteKind) -> list[int]:
        """Who seems to have given a vote of this kind, verified or not."""
        return [v for (k, v), kept in self._kept.items() if k is kind and kept]

    def gave(self, kind: VoteKind, validator: int) -> bool:
        """Whether this validator gave a verified vote of this kind; verifies now if needed."""
        return any(map(self._check, self._kept.get((kind, validator), ())))

    def _settle(self, mine: list[_Kept], new: _Kept, findings: list[Finding]) -> bool:
        """Two votes of one validator differ: keep only what is truly signed, at most two."""
        bad = [kept for kept in (*mine, new) if not self._check(kept)]
        findings += [Fault(kept.vote.validator, "bad vote signature") for kept in bad]
        mine[:] = [kept for kept in mine if kept.verified]
        same = any(kept.vote.block_id == new.vote.block_id for kept in mine)
        return new.verified and not same and len(mine) < VOTES_OF_A_KIND_MAX

    def _contradiction(self, mine: list[_Kept], new: _Kept) -> list[Finding]:
        vote = new.vote
        if len(mine) > 1:
            kind: Literal["E1", "E2"] = "E1" if vote.kind is VoteKind.NOTARIZE else "E2"
            return [Evidence(kind, mine[0].vote, vote)]
        if vote.kind is VoteKind.NOTARIZE:
            return []
        other = VoteKind.NULLIFY if vote.kind is VoteKind.FINALIZE else VoteKind.FINALIZE
        against = self._kept.get((other, vote.validator))
        if against and self._check(new) and self._check(against[0]):
            return [Evidence("E3", against[0].vote, vote)]
        return []

    def _certificate(self, vote: Vote) -> list[Finding]:
        """Verify the votes for the same thing once they could be a quorum."""
        alike = [
            kept
            for (kind, _), mine in self._kept.items()
            if kind is vote.kind
            for kept in mine
            if kept.vote.block_id == vote.block_id and kept.vote.height == vote.height
        ]
        if not self._authority.quorum(kept.vote.validator for kept in alike):
            return []
        faults: list[Finding] = []
        for kept in alike:
            if not self._check(kept):
                faults.append(Fault(kept.vote.validator, "bad vote signature"))
                self._kept[kept.vote.kind, kept.vote.validator].remove(kept)
        good = [kept.vote for kept in alike if kept.verified]
        if not self._authority.quorum(v.validator for v in good):
            return faults
        self._certified.add(vote.kind)
        return [*faults, certificate_of(good)]

    def _check(self, kept: _Kept) -> bool:
        kept.verified = kept.verified or self._authority.good_vote(kept.vote)
        return kept.verified
