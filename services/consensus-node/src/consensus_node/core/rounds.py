"""What is known about one view: votes, certificates, proposals, and what this replica has said in it."""

from consensus_node.core.authority import Authority
from consensus_node.core.votes import VoteKeeper
from sps.chain.certificate import Certificate
from sps.chain.vote import Vote, VoteKind


class Round:
    """One view. `mine` holds the votes of this replica, also those from before a restart."""

    __slots__ = (
        "finalization",
        "mine",
        "notarization",
        "nullification",
        "proposals",
        "refused",
        "view",
        "votes",
    )

    def __init__(self, view: int, authority: Authority) -> None:
        self.view = view
        self.votes = VoteKeeper(authority)
        self.notarization: Certificate | None = None
        self.nullification: Certificate | None = None
        self.finalization: Certificate | None = None
        self.proposals: list[bytes] = []
        """Blocks signed by the view's leader, in order of arrival."""
        self.refused: set[bytes] = set()
        """Those of them that can never be valid."""
        self.mine: dict[VoteKind, Vote] = {}

    @property
    def certified_id(self) -> bytes | None:
        """The block that a quorum notarized (a finalization implies it), if any."""
        certificate = self.notarization or self.finalization
        return None if certificate is None else certificate.block_id

    def certificate(self, kind: VoteKind) -> Certificate | None:
        if kind is VoteKind.NOTARIZE:
            return self.notarization
        return self.nullification if kind is VoteKind.NULLIFY else self.finalization

    def certificates(self) -> list[Certificate]:
        """All there are, the strongest first."""
        found = (self.finalization, self.notarization, self.nullification)
        return [certificate for certificate in found if certificate is not None]

    def keep(self, certificate: Certificate) -> None:
        if certificate.kind is VoteKind.NOTARIZE:
            self.notarization = certificate
        elif certificate.kind is VoteKind.NULLIFY:
            self.nullification = certificate
        else:
            self.finalization = certificate


def may_notarize(round_: Round) -> bool:
    """R3, R8: one block per view; a NULLIFY before does not forbid it."""
    return VoteKind.NOTARIZE not in round_.mine


def may_nullify(round_: Round) -> bool:
    """R4: never after FINALIZE in the same view."""
    return VoteKind.NULLIFY not in round_.mine and VoteKind.FINALIZE not in round_.mine


def may_finalize(round_: Round) -> bool:
    """R5: never after NULLIFY in the same view, and never two."""
    return VoteKind.NULLIFY not in round_.mine and VoteKind.FINALIZE not in round_.mine


def may_propose(round_: Round) -> bool:
    """R2: once per view; the durable NOTARIZE of the own block remembers it across a crash."""
    return not round_.mine and not round_.proposals
