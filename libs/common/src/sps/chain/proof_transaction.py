"""Checks one transaction of a proof file: in a batch, in a block, from a producer that may send it."""

from sps.chain import merkle
from sps.chain.batch import BATCH_HEADER_BYTES, BatchHeader, Verify
from sps.chain.batch import decode_header as decode_batch_header
from sps.chain.binary import Malformed
from sps.chain.genesis import Genesis, Producer
from sps.chain.header import Header, encode_ref, ref_of
from sps.chain.proof_format import BadProof, TransactionProof, unhex
from sps.chain.receipt import Receipt
from sps.signing import Domain
from sps.transactions.codec import BadTransaction, decode, transaction_hash
from sps.transactions.vocabulary import ROLE_OF, Transaction


class TransactionCheck:
    """Remembers the batches whose signature was found good, and writes each one down once."""

    def __init__(self, genesis: Genesis, chain_id: bytes, verify: Verify, signatures: list[str]) -> None:
        self._genesis = genesis
        self._chain_id = chain_id
        self._verify = verify
        self._signatures = signatures
        self._known: dict[str, tuple[BatchHeader, Producer]] = {}

    def check(self, proof: TransactionProof, header: Header, receipt: Receipt) -> tuple[Transaction, str]:
        """Return the transaction and its producer's name when everything holds for this block and receipt."""
        batch, producer = self._known.get(proof.batch) or self._batch(proof.batch)
        _check_place(proof, batch, header)
        raw = proof.text.encode()
        if transaction_hash(raw).hex() != receipt.transaction:
            raise BadProof("the receipt is of another transaction")
        try:
            transaction = decode(raw)
        except BadTransaction as error:
            raise BadProof(f"the transaction cannot be read: {error}") from error
        if type(transaction).__struct_config__.tag != receipt.kind:
            raise BadProof("the receipt is of another kind than the transaction")
        if ROLE_OF[type(transaction)] != producer.role:
            raise BadProof(f"{producer.name} may not send {receipt.kind}")
        if getattr(transaction, "contract", receipt.subject) != receipt.subject:
            raise BadProof("the transaction is about another contract")
        return transaction, producer.name

    def _batch(self, text: str) -> tuple[BatchHeader, Producer]:
        raw = unhex(text)
        try:
            batch = decode_batch_header(raw[:BATCH_HEADER_BYTES])
        except Malformed as error:
            raise BadProof(str(error)) from error
        producer = self._genesis.producer(batch.producer_id)
        if producer is None:
            raise BadProof(f"producer {batch.producer_id} is not registered")
        body, signature = raw[:BATCH_HEADER_BYTES], raw[BATCH_HEADER_BYTES:]
        if not self._verify(producer.key, Domain.BATCH, self._chain_id, body, signature):
            raise BadProof(f"the batch is not signed by {producer.name}")
        self._signatures.append(f"batch {batch.seq} was signed by {producer.name} ({producer.role})")
        self._known[text] = batch, producer
        return batch, producer


def _check_place(proof: TransactionProof, batch: BatchHeader, header: Header) -> None:
    ref = encode_ref(ref_of(batch))
    ref_path = [unhex(sibling) for sibling in proof.ref_path]
    if not merkle.verify_inclusion(ref, proof.ref_index, header.batch_count, ref_path, header.batches_root):
        raise BadProof(f"the batch is not one of block {header.height}")
    path = [unhex(sibling) for sibling in proof.path]
    raw = proof.text.encode()
    if not merkle.verify_inclusion(raw, proof.index, batch.tx_count, path, batch.tx_root):
        raise BadProof("the transaction is not in the batch")
