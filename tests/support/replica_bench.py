"""One replica on the bench: everything around it is made by hand, with the simulator's free signatures."""

import hashlib

import msgspec

from consensus_node.core.config import ReplicaConfig
from consensus_node.core.effects import Deliver, Persist, Publish, PublishCommitted
from consensus_node.core.inputs import BatchStored, Executed, Received, Start, Tick
from consensus_node.core.messages import Certs, Proposal, Votes
from consensus_node.core.replica import Replica
from consensus_node.simulation.signatures import fake_signer, fake_verify
from consensus_node.simulation.world import CHAIN_ID, committee_of
from sps.chain.binary import ZERO_HASH
from sps.chain.certificate import certificate_of
from sps.chain.committee import committee_hash, leader
from sps.chain.genesis import Parameters
from sps.chain.header import (
    BatchRef,
    Header,
    batches_root,
    block_id,
    cursors_root,
    genesis_block_id,
)
from sps.chain.vote import Vote, VoteKind, domain_of, vote_body
from sps.signing import Domain

NOW = 1_700_000_000_000
PARAMETERS = Parameters()
NOTARIZE, NULLIFY, FINALIZE = VoteKind.NOTARIZE, VoteKind.NULLIFY, VoteKind.FINALIZE


def sign(size, seat, domain, body):
    return fake_signer(committee_of(size).validators[seat].public_key)(domain, CHAIN_ID, body)


def vote(seat, kind, view, height=0, identity=ZERO_HASH, size=4):
    signature = sign(size, seat, domain_of(kind), vote_body(kind, 1, view, height, identity))
    return Vote(seat, kind, 1, view, height, identity, signature)


def certificate(kind, view, height=0, identity=ZERO_HASH, seats=(1, 2, 3), size=4):
    return certificate_of([vote(seat, kind, view, height, identity, size) for seat in seats])


def batch(seq, producer=1, prev=ZERO_HASH, tag=b""):
    digest = hashlib.sha256(b"%d %d " % (producer, seq) + tag).digest()
    return BatchRef(producer, seq, digest, digest, 1, 100), prev


class Bench:
    """Seat `index` of `size`; seats lead in order of the view: seat v mod n leads view v."""

    def __init__(self, index=0, size=4, started=True, voting=True, **parameters):
        self.size, self.index = size, index
        self.parameters = msgspec.structs.replace(PARAMETERS, **parameters)
        self.config = ReplicaConfig(
            chain_id=CHAIN_ID,
            committee=committee_of(size),
            order=tuple(range(size)),
            index=index,
            parameters=self.parameters,
            genesis_time_ms=NOW - 1_000,
            voting=voting,
        )
        self.now = NOW
        self.log = []
        self.effects = []
        self.replica = None
        if started:
            self.start()

    def start(self, records=None, **fields):
        key = self.config.committee.validators[self.index].public_key
        self.replica = Replica(self.config, fake_signer(key), fake_verify)
        done = self.step(Start(self.now, tuple(self.log if records is None else records), **fields))
        self.executed(0)
        return done

    def step(self, event):
        done = self.replica.step(event)
        for effect in done:
            if isinstance(effect, Persist):
                self.log += effect.records
        self.effects += done
        return done

    def receive(self, message):
        return self.step(Received(self.now, message))

    def votes(self, *votes):
        return [e for v in votes for e in self.receive(Votes(v.validator, (v,)))]

    def certs(self, *certificates):
        return self.receive(Certs(certificates))

    def stored(self, ref, prev):
        return self.step(BatchStored(self.now, ref, prev))

    def executed(self, height, app=ZERO_HASH, changed=False, deadline=None):
        return self.step(Executed(self.now, height, app, ZERO_HASH, changed, deadline))

    def tick(self, later_ms=0):
        self.now += later_ms
        return self.step(Tick(self.now))

    def proposal(self, view, refs=(), parent=None, nullified=(), leader_seat=None, **changes):
        """What the leader of the view would send; `changes` are made to the header before it is signed."""
        seat = leader(self.config.order, view) if leader_seat is None else leader_seat
        cursors = {ref.producer_id: (ref.seq, ref.digest) for ref in refs}
        fields = {
            "chain_id": CHAIN_ID,
            "epoch": 1,
            "view": view,
            "height": 1 if parent is None else parent.height + 1,
            "flags": 0 if refs else 16,
            "parent_view": 0 if parent is None else parent.view,
            "parent_id": genesis_block_id(CHAIN_ID) if parent is None else block_id(parent),
            "time_ms": self.now if parent is None else max(self.now, parent.time_ms + 1),
            "proposer": seat,
            "batches_root": batches_root(refs),
            "batch_count": len(refs),
            "tx_count": sum(ref.tx_count for ref in refs),
            "exec_height": 0,
            "app_hash": ZERO_HASH,
            "results_root": ZERO_HASH,
            "cursors_root": cursors_root(cursors),
            "committee_hash": committee_hash(self.config.committee),
        }
        header = Header(**(fields | changes))
        body = vote_body(NOTARIZE, 1, view, header.height, block_id(header))
        held = None if parent is None else certificate(NOTARIZE, parent.view, parent.height, block_id(parent))
        nullifications = tuple(certificate(NULLIFY, v) for v in nullified)
        return Proposal(
            header, tuple(refs), held, nullifications, sign(self.size, seat, Domain.NOTARIZE, body)
        )

    def notarization(self, proposal, kind=NOTARIZE):
        header = proposal.header
        return certificate(kind, header.view, header.height, block_id(header))

    def finalization(self, proposal):
        return self.notarization(proposal, FINALIZE)


def published(effects, kind=None):
    """All votes published by these effects (own NOTARIZE inside a proposal does not count)."""
    found = [
        v for e in effects if isinstance(e, Publish) and isinstance(e.message, Votes) for v in e.message.votes
    ]
    return [v for v in found if kind is None or v.kind is kind]


def proposals(effects):
    return [e.message for e in effects if isinstance(e, Publish) and isinstance(e.message, Proposal)]


def delivered(effects):
    return [e.committed.header.height for e in effects if isinstance(e, Deliver)]


def announced(effects):
    return [e.committed.header.height for e in effects if isinstance(e, PublishCommitted)]
