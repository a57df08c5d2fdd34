"""Builds the proof file of a contract from blocks that were executed. Pure: what is missing is refused."""

import hashlib
from collections.abc import Iterable, Mapping

from msgspec import Struct

from sps.chain import merkle
from sps.chain.batch import Batch, decode_payload
from sps.chain.batch import encode_header as encode_batch_header
from sps.chain.binary import Malformed
from sps.chain.block import Committed
from sps.chain.certificate import encode_certificate
from sps.chain.genesis import Genesis, chain_id, genesis_bytes
from sps.chain.header import encode_header, encode_ref
from sps.chain.proof_format import (
    PROOF_FORMAT,
    BlockProof,
    EventProof,
    Proof,
    TransactionProof,
    encode_proof,
    side,
)
from sps.chain.receipt import OK, Receipt, encode_receipt


class NotProvable(Exception):
    """What was given does not suffice; the message names the missing piece."""


class ProofSource(Struct, frozen=True):
    """An executed height: its block, its batches in order of the references, all its receipts in order."""

    committed: Committed
    batches: tuple[Batch, ...]
    receipts: tuple[Receipt, ...]


def build_proof(
    genesis: Genesis, contract: str, sources: Iterable[ProofSource], carriers: Iterable[Committed]
) -> bytes:
    """The proof of every accepted step of the contract.

    `sources` are the heights with its receipts, `carriers` the later blocks whose headers carry the
    results (`exec_height`). More of both does no harm.
    """
    heights = {source.committed.header.height: source for source in sources}
    blocks = {committed.header.height: committed for committed in carriers}
    blocks |= {height: source.committed for height, source in heights.items()}
    used: set[int] = set()
    events: list[EventProof] = []
    for source, receipt in _steps(contract, heights):
        events.append(_event(source, receipt))
        used |= {receipt.height, _carrier(receipt.height, blocks)}
    proof = Proof(
        format=PROOF_FORMAT,
        chain=chain_id(genesis_bytes(genesis)).hex(),
        contract=contract,
        blocks=tuple(_block(blocks[height]) for height in sorted(used)),
        events=tuple(events),
    )
    return encode_proof(proof)


def _carrier(height: int, blocks: Mapping[int, Committed]) -> int:
    """The lowest of the blocks that carry the results of a height; the same one that the check takes."""
    found = [block.header.height for block in blocks.values() if block.header.exec_height == height]
    if not found:
        raise NotProvable(f"no block carries the results of height {height} yet; it comes some heights later")
    return min(found)


def _steps(contract: str, heights: Mapping[int, ProofSource]) -> list[tuple[ProofSource, Receipt]]:
    """The receipt of each version, 1 to the newest; a harmless repeat has no version of its own."""
    steps: list[tuple[ProofSource, Receipt]] = []
    for height in sorted(heights):
        for receipt in heights[height].receipts:
            if receipt.subject != contract or receipt.code != OK or receipt.version <= len(steps):
                continue
            if receipt.version != len(steps) + 1:
                raise NotProvable(f"the receipt of version {len(steps) + 1} is missing")
            if receipt.height != height:
                raise NotProvable(f"a receipt of height {receipt.height} was given for block {height}")
            steps.append((heights[height], receipt))
    if not steps:
        raise NotProvable("the contract has no accepted step in these blocks")
    return steps


def _event(source: ProofSource, receipt: Receipt) -> EventProof:
    leaves = [encode_receipt(other) for other in source.receipts]
    raw = encode_receipt(receipt)
    path = merkle.sided_path(leaves, leaves.index(raw))
    transaction = _transaction(source, bytes.fromhex(receipt.transaction)) if receipt.transaction else None
    return EventProof(raw.decode(), tuple(side(*step) for step in path), transaction)


def _transaction(source: ProofSource, wanted: bytes) -> TransactionProof:
    refs = [encode_ref(ref) for ref in source.committed.refs]
    for ref_index, batch in enumerate(source.batches[: len(refs)]):
        transactions = _readable(batch)
        hashes = [hashlib.sha256(raw).digest() for raw in transactions]
        if wanted in hashes:
            index = hashes.index(wanted)
            return TransactionProof(
                text=transactions[index].decode(),
                index=index,
                path=_hexes(merkle.inclusion_path(transactions, index)),
                batch=(encode_batch_header(batch.header) + batch.signature).hex(),
                ref_index=ref_index,
                ref_path=_hexes(merkle.inclusion_path(refs, ref_index)),
            )
    raise NotProvable(f"transaction {wanted.hex()} is in none of the batches that were given")


def _readable(batch: Batch) -> list[bytes]:
    """The transactions of a batch, none of a void one."""
    try:
        transactions = decode_payload(batch.payload)
    except Malformed:
        return []
    return transactions if merkle.root(transactions) == batch.header.tx_root else []


def _block(committed: Committed) -> BlockProof:
    return BlockProof(
        encode_header(committed.header).hex(),
        tuple(encode_header(header).hex() for header in committed.descendants),
        encode_certificate(committed.finalization).hex(),
    )


def _hexes(path: tuple[bytes, ...]) -> tuple[str, ...]:
    return tuple(sibling.hex() for sibling in path)
