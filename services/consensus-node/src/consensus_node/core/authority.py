"""Who may say what: the committee with its keys and weights, and this replica's own signature."""

from collections.abc import Callable, Iterable
from typing import Final

from consensus_node.core.config import ReplicaConfig
from sps.chain.batch import Verify
from sps.chain.certificate import Certificate, verify_certificate
from sps.chain.committee import committee_hash, leader, quorum_reached
from sps.chain.vote import Vote, VoteKind, domain_of, verify_vote, vote_body
from sps.signing import Domain

Sign = Callable[[Domain, bytes, bytes], bytes]
"""Signs (domain, chain id, body), as `sps.signing.Signer.sign` does."""


class Authority:
    """Checks signatures and weights of one epoch's committee; signs as its own seat."""

    def __init__(self, config: ReplicaConfig, sign: Sign, verify: Verify) -> None:
        self._config = config
        self._sign = sign
        self._verify = verify
        self.seats: Final = config.committee.validators
        self.size: Final = len(self.seats)
        self.epoch: Final = config.committee.epoch
        self.committee_hash: Final = committee_hash(config.committee)
        self.total: Final = config.committee.total_weight

    def leader(self, view: int) -> int:
        return leader(self._config.order, view)

    def rank(self, view: int) -> int:
        """How many seats after the leader of the view this one is."""
        order = self._config.order
        return (order.index(self._config.index) - view) % len(order)

    def weight(self, validators: Iterable[int]) -> int:
        return sum(self.seats[i].weight for i in validators)

    def quorum(self, validators: Iterable[int]) -> bool:
        return quorum_reached(self._config.committee, self.weight(validators))

    def some_honest(self, validators: Iterable[int]) -> bool:
        """Faulty ones hold less than a third of the weight: with a third, at least one is honest."""
        return 3 * self.weight(validators) >= self.total

    def good_vote(self, vote: Vote) -> bool:
        return verify_vote(vote, self.seats[vote.validator].public_key, self._config.chain_id, self._verify)

    def good_certificate(self, certificate: Certificate) -> bool:
        return verify_certificate(certificate, self._config.committee, self._config.chain_id, self._verify)

    def good_statement(self, validator: int, domain: Domain, body: bytes, signature: bytes) -> bool:
        if validator >= self.size:
            return False
        key = self.seats[validator].public_key
        return self._verify(key, domain, self._config.chain_id, body, signature)

    def vote(self, kind: VoteKind, view: int, height: int, block_id: bytes) -> Vote:
        """Sign a vote of this replica. Whether it may be given is not decided here."""
        body = vote_body(kind, self.epoch, view, height, block_id)
        signature = self._sign(domain_of(kind), self._config.chain_id, body)
        return Vote(self._config.index, kind, self.epoch, view, height, block_id, signature)

    def statement(self, domain: Domain, body: bytes) -> bytes:
        return self._sign(domain, self._config.chain_id, body)

    @property
    def verify(self) -> Verify:
        return self._verify
