"""Makes small deterministic chains for tests: keys from fixed seeds, batches, headers, certificates."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from sps.chain import merkle
from sps.chain.batch import FIRST_PREV_DIGEST, Batch, digest, seal
from sps.chain.binary import ZERO_HASH
from sps.chain.block import Committed
from sps.chain.certificate import Certificate, certificate_of
from sps.chain.committee import committee_hash
from sps.chain.genesis import (
    Genesis,
    Member,
    OpeningFloat,
    Parameters,
    Producer,
    Role,
    chain_id,
    genesis_bytes,
)
from sps.chain.header import (
    FLAG_TIMER,
    BatchRef,
    Header,
    batches_root,
    block_id,
    cursors_root,
    genesis_block_id,
    ref_of,
)
from sps.chain.receipt import Receipt, encode_receipt
from sps.chain.vote import VoteKind, sign_vote
from sps.signing import Domain, Signer
from sps.transactions.codec import encode
from sps.transactions.vocabulary import Transaction

START_MS: Final = 1_700_000_000_000
BLOCK_STEP_MS: Final = 1_000

API: Final = "contract-api"
CARRIER: Final = "carrier-gateway"
PAYMENT: Final = "payment-gateway"
SETTLEMENT: Final = "settlement"
OPERATOR: Final = "operator"
PRODUCERS: Final[tuple[tuple[str, Role], ...]] = ((API, "api"), (CARRIER, "carrier"), (PAYMENT, "payment"), (SETTLEMENT, "settlement"), (OPERATOR, "operator"))  # fmt: skip
APPROVERS: Final = ("ann", "ben")
FLOATS: Final = (OpeningFloat("alipay", "CNY", "100000000"), OpeningFloat("stripe", "EUR", "10000000"))


def signer(name: str) -> Signer:
    """The same key for the same name, always."""
    return Signer(hashlib.sha256(b"sps-chain-kit|" + name.encode()).digest())


def make_genesis(n: int = 4, parameters: Parameters | None = None, weights: Sequence[int] = ()) -> Genesis:
    """A genesis of `n` validators (weight 1 unless given) and the five producers."""
    members = tuple(
        Member(
            f"v{i}",
            signer(f"v{i}").public_key.hex(),
            weights[i] if weights else 1,
            f"http://127.0.0.1:{8101 + i}",
        )
        for i in range(n)
    )
    producers = (
        Producer(i, name, role, signer(name).public_key.hex()) for i, (name, role) in enumerate(PRODUCERS, 1)
    )
    approvers = tuple(signer(name).public_key.hex() for name in APPROVERS)
    return Genesis(
        "test",
        START_MS,
        members,
        tuple(producers),
        FLOATS,
        parameters or Parameters(),
        approvers=approvers,
    )


class ChainKit:
    """One growing chain. `block` adds the next block; every part can also be made alone and bent."""

    def __init__(self, n: int = 4, genesis: Genesis | None = None) -> None:
        self.genesis = genesis or make_genesis(n)
        self.raw = genesis_bytes(self.genesis)
        self.chain_id = chain_id(self.raw)
        self.committee = self.genesis.committee()
        self.validators = tuple(signer(member.name) for member in self.genesis.validators)
        self.blocks: dict[int, Committed] = {}
        self.receipts: dict[int, tuple[Receipt, ...]] = {}
        self.batches: dict[int, tuple[Batch, ...]] = {}
        self.tip: Header | None = None
        self._lanes: dict[int, tuple[int, bytes]] = {}
        self._cursors: dict[int, tuple[int, bytes]] = {}
        self._results: dict[int, tuple[bytes, bytes]] = {}

    @property
    def height(self) -> int:
        return self.tip.height if self.tip else 0

    @property
    def lag(self) -> int:
        return self.genesis.parameters.execution_lag

    def batch(
        self, producer: str, transactions: Iterable[Transaction | bytes], created_ms: int = START_MS
    ) -> Batch:
        """Seal the producer's next batch."""
        number = next(known.id for known in self.genesis.producers if known.name == producer)
        seq, previous = self._lanes.get(number, (0, FIRST_PREV_DIGEST))
        raws = [item if isinstance(item, bytes) else encode(item) for item in transactions]
        made = seal(signer(producer), self.chain_id, number, seq + 1, previous, raws, created_ms)
        self._lanes[number] = (seq + 1, digest(made.header))
        return made

    def header(self, batches: Sequence[Batch] = (), **changes: Any) -> Header:
        """The next header over these batches; `changes` replace fields."""
        refs = [ref_of(batch.header) for batch in batches]
        height = self.height + 1
        exec_height = max(0, height - self.lag)
        app_hash, results_root = self._results.get(exec_height, (ZERO_HASH, ZERO_HASH))
        plain = Header(
            chain_id=self.chain_id,
            epoch=1,
            view=height,
            height=height,
            flags=0 if refs else FLAG_TIMER,
            parent_view=self.tip.view if self.tip else 0,
            parent_id=block_id(self.tip) if self.tip else genesis_block_id(self.chain_id),
            time_ms=(self.tip.time_ms if self.tip else START_MS) + BLOCK_STEP_MS,
            proposer=height % len(self.validators),
            batches_root=batches_root(refs),
            batch_count=len(refs),
            tx_count=sum(ref.tx_count for ref in refs),
            exec_height=exec_height,
            app_hash=app_hash,
            results_root=results_root,
            cursors_root=cursors_root(self._cursors | {r.producer_id: (r.seq, r.digest) for r in refs}),
            committee_hash=committee_hash(self.committee),
        )
        return msgspec.structs.replace(plain, **changes)

    def certify(
        self, header: Header, kind: VoteKind = VoteKind.FINALIZE, signers: Sequence[int] | None = None
    ) -> Certificate:
        """Votes of the given validators (all, when none are given) for the header."""
        chosen = range(len(self.validators)) if signers is None else signers
        name = block_id(header)
        return certificate_of(
            sign_vote(
                self.validators[i], self.chain_id, i, kind, header.epoch, header.view, header.height, name
            )
            for i in chosen
        )

    def committed(
        self, header: Header, batches: Sequence[Batch] = (), signers: Sequence[int] | None = None
    ) -> Committed:
        """The header with its references and its own finalization."""
        refs: tuple[BatchRef, ...] = tuple(ref_of(batch.header) for batch in batches)
        return Committed(header, refs, (), self.certify(header, signers=signers))

    def block(
        self,
        batches: Sequence[Batch] = (),
        receipts: Sequence[Receipt] = (),
        signers: Sequence[int] | None = None,
        **changes: Any,
    ) -> Committed:
        """Add the next block and keep what executing it gave."""
        made = self.committed(self.header(batches, **changes), batches, signers)
        self.tip = made.header
        height = self.tip.height
        for ref in made.refs:
            self._cursors[ref.producer_id] = (ref.seq, ref.digest)
        self.blocks[height] = made
        self.batches[height] = tuple(batches)
        self.receipts[height] = tuple(receipts)
        leaves = [encode_receipt(receipt) for receipt in receipts]
        self.result(
            height, hashlib.sha256(b"app|%d" % height).digest(), merkle.root(leaves) if leaves else ZERO_HASH
        )
        return made

    def result(self, height: int, app_hash: bytes, results_root: bytes) -> None:
        """Say what executing `height` gave; a later header carries it."""
        self._results[height] = (app_hash, results_root)

    def party_signature(self, party: str, terms_hash: bytes) -> str:
        """Hex signature of `signer(party)` over a terms hash, as in Offer and Accept."""
        return signer(party).sign(Domain.TX, self.chain_id, terms_hash).hex()
