"""Checks a contract's proof file offline, with the genesis document alone (`docs/protocol.md`, proofs).

Trusted: the genesis bytes, SHA-256, Ed25519, and that less than a third of the weight is faulty.
Every claim is checked, and nothing may stand in the file that proves nothing. What cannot be seen from
inside a file is whether later versions exist: `version` and `highest_height` say how far it goes.
"""

from typing import Final

from msgspec import MsgspecError

from sps import signing
from sps.chain import merkle
from sps.chain.batch import Verify
from sps.chain.binary import Malformed
from sps.chain.block import BadBlock
from sps.chain.certificate import decode_certificate
from sps.chain.genesis import BadGenesis, Genesis, load_genesis
from sps.chain.header import Header, decode_header
from sps.chain.light_client import Fork, LightClient
from sps.chain.proof_build import NotProvable, ProofSource, build_proof
from sps.chain.proof_format import BadProof, BlockProof, EventProof, Proof, decode_proof, unhex, unside
from sps.chain.proof_report import ProofReport, ProvenEvent, amounts
from sps.chain.proof_transaction import TransactionCheck
from sps.chain.receipt import OK, Receipt, decode_receipt, encode_receipt
from sps.signing import Domain
from sps.transactions.terms import Terms, terms_hash
from sps.transactions.vocabulary import Accept, Offer

DEADLINE_KIND: Final = "deadline."
OFFER_KIND: Final = Offer.__struct_config__.tag

__all__ = ["BadProof", "NotProvable", "ProofReport", "ProofSource", "build_proof", "verify_proof"]


def verify_proof(raw: bytes, genesis_raw: bytes, verify: Verify = signing.verify) -> ProofReport:
    """Check a proof file against a genesis document; raise `BadProof` naming the first broken thing."""
    try:
        genesis = load_genesis(genesis_raw)
    except BadGenesis as error:
        raise BadProof(f"the genesis document: {error}") from error
    return _Check(genesis, decode_proof(raw), verify).run()


class _Check:
    """One run over one file; collects what was found true."""

    def __init__(self, genesis: Genesis, proof: Proof, verify: Verify) -> None:
        self._genesis = genesis
        self._proof = proof
        self._verify = verify
        self._client = LightClient(genesis, verify=verify)
        self._headers: dict[int, Header] = {}
        self._used: set[int] = set()
        self._signatures: list[str] = []
        self._transactions = TransactionCheck(genesis, self._client.chain_id, verify, self._signatures)
        self._terms: Terms | None = None
        self._seller = ""
        self._accepted = False

    def run(self) -> ProofReport:
        if unhex(self._proof.chain) != self._client.chain_id:
            raise BadProof("the proof is of another chain than the genesis document")
        for number, block in enumerate(self._proof.blocks, 1):
            self._block(number, block)
        events = self._events()
        if unused := sorted(self._headers.keys() - self._used):
            raise BadProof(f"block {unused[0]} is in the proof and proves nothing")
        return self._report(events)

    def _block(self, number: int, block: BlockProof) -> None:
        try:
            header = decode_header(unhex(block.header))
            descendants = tuple(decode_header(unhex(raw)) for raw in block.descendants)
            certificate = decode_certificate(unhex(block.certificate))
            self._client.accept_header(header, descendants, certificate)
        except (BadProof, Malformed, BadBlock, Fork) as error:
            raise BadProof(f"block number {number} of the file: {error}") from error
        if self._headers and header.height <= max(self._headers):
            raise BadProof(f"block {header.height} does not stand in rising order")
        self._headers[header.height] = header
        voters = ", ".join(self._genesis.validators[i].name for i in certificate.signers)
        self._signatures.append(f"block {certificate.height} was finalized by {voters}")

    def _events(self) -> tuple[ProvenEvent, ...]:
        events: list[ProvenEvent] = []
        place = (0, -1)
        for version, event in enumerate(self._proof.events, 1):
            try:
                proven = self._event(version, event)
            except BadProof as error:
                raise BadProof(f"event {version}: {error}") from error
            if (proven.height, proven.index) <= place:
                raise BadProof(f"event {version}: it does not come after the one before")
            place = (proven.height, proven.index)
            events.append(proven)
        return tuple(events)

    def _event(self, version: int, event: EventProof) -> ProvenEvent:
        receipt = self._receipt(version, event)
        header = self._header(receipt.height)
        producer = ""
        if event.transaction is None:
            if not receipt.kind.startswith(DEADLINE_KIND) or receipt.transaction:
                raise BadProof("the transaction is missing, and only a deadline has none")
        else:
            transaction, producer = self._transactions.check(event.transaction, header, receipt)
            self._parties(transaction)
        return ProvenEvent(
            height=receipt.height,
            index=receipt.index,
            time_ms=header.time_ms,
            kind=receipt.kind,
            code=receipt.code,
            version=receipt.version,
            state=receipt.state,
            transaction=receipt.transaction,
            producer=producer,
            rules=receipt.rules,
            journals=receipt.journals,
        )

    def _receipt(self, version: int, event: EventProof) -> Receipt:
        """Check that the receipt is step `version` of this contract, under a final results root."""
        raw = event.receipt.encode()
        try:
            receipt = decode_receipt(raw)
        except (MsgspecError, UnicodeError) as error:
            raise BadProof(f"the receipt cannot be read: {error}") from error
        if encode_receipt(receipt) != raw:
            raise BadProof("the receipt is not spelled as it was hashed")
        if receipt.subject != self._proof.contract or receipt.code != OK:
            raise BadProof("the receipt is not an accepted step of this contract")
        if receipt.version != version:
            raise BadProof(
                f"the receipt is of version {receipt.version}, so a step is missing or out of order"
            )
        carrier = self._carrier(receipt.height)
        if merkle.root_of_sided_path(raw, map(unside, event.path)) != carrier.results_root:
            raise BadProof(f"the receipt is not under the results root that block {carrier.height} carries")
        return receipt

    def _carrier(self, height: int) -> Header:
        """The block with the results of a height: usually one execution lag later, after drains more."""
        for header in self._headers.values():
            if header.exec_height == height and header.height > height:
                self._used.add(header.height)
                return header
        raise BadProof(f"no block in the proof carries the results of height {height}")

    def _header(self, height: int) -> Header:
        header = self._headers.get(height)
        if header is None:
            raise BadProof(f"block {height} is not in the proof")
        self._used.add(height)
        return header

    def _parties(self, transaction: object) -> None:
        """Check the parties' own signatures over the same terms."""
        if isinstance(transaction, Offer):
            if self._terms is not None:
                raise BadProof("the contract is offered twice")
            self._terms, self._seller = transaction.terms, transaction.seller
            self._party("seller", transaction.seller_key, transaction.signature, self._terms)
        elif isinstance(transaction, Accept):
            if self._terms is None or self._accepted:
                raise BadProof("the acceptance has no offer before it, or stands twice")
            if transaction.terms_hash != terms_hash(self._terms).hex():
                raise BadProof("the buyer accepted other terms than the seller offered")
            self._accepted = True
            self._party("buyer", transaction.buyer_key, transaction.signature, self._terms)

    def _party(self, who: str, key: str, signature: str, terms: Terms) -> None:
        hashed = terms_hash(terms)
        if not self._verify(unhex(key), Domain.TX, self._client.chain_id, hashed, unhex(signature)):
            raise BadProof(f"the {who}'s signature over the terms is not good")
        self._signatures.append(f"the {who} with key {key} signed the terms {hashed.hex()}")

    def _report(self, events: tuple[ProvenEvent, ...]) -> ProofReport:
        sums = amounts(self._proof.contract, events)
        if self._terms is None or events[0].kind != OFFER_KIND:
            raise BadProof("a contract begins with the seller's offer")
        if not self._accepted and any(each.released for each in sums):
            raise BadProof("money was released without the buyer's signature under the terms")
        if any(each.held < 0 for each in sums):
            raise BadProof("the journals take out more than the contract held")
        highest = self._headers[max(self._headers)]
        return ProofReport(
            contract=self._proof.contract,
            network=self._genesis.network,
            chain_id=self._proof.chain,
            seller=self._seller,
            terms=self._terms,
            terms_hash=terms_hash(self._terms).hex(),
            accepted=self._accepted,
            version=len(events),
            events=events,
            amounts=sums,
            signatures=tuple(self._signatures),
            highest_height=highest.height,
            highest_time_ms=highest.time_ms,
        )
