"""Builds the proof file of a contract from the blocks that were folded."""

import asyncio
import time
from typing import Final

from contract_api.application.ports import ProofMaterial, Store
from sps.chain.batch import decode_batch
from sps.chain.block import decode_committed
from sps.chain.genesis import Genesis
from sps.chain.proof_build import NotProvable, ProofSource, build_proof
from sps.chain.receipt import decode_receipt

POLL_S: Final = 0.1
WAIT_MESSAGE: Final = "the newest results are carried by a block that does not exist yet"


class ProofNotReady(Exception):
    """The results of the newest event are not carried by a later block yet."""


class Prover:
    """Anybody may ask for a proof; what it shows stands on the chain anyway."""

    def __init__(self, store: Store, genesis: Genesis) -> None:
        self._store = store
        self._genesis = genesis

    async def proof(self, contract: str, wait_s: float = 0) -> bytes:
        """The proof file; raises `ProofNotReady` when the results still trail after this time."""
        end = time.monotonic() + wait_s
        while (material := await self._material(contract)) is None:
            if time.monotonic() >= end:
                raise ProofNotReady(WAIT_MESSAGE)
            await asyncio.sleep(POLL_S)
        sources = [
            ProofSource(
                committed := decode_committed(record),
                tuple(decode_batch(material.batches[ref.digest]) for ref in committed.refs),
                tuple(decode_receipt(raw) for raw in material.receipts[height]),
            )
            for height, record in sorted(material.blocks.items())
        ]
        carriers = [decode_committed(record) for _, record in sorted(material.carriers.items())]
        try:
            return build_proof(self._genesis, contract, sources, carriers)
        except NotProvable as error:
            raise ProofNotReady(str(error)) from error

    async def _material(self, contract: str) -> ProofMaterial | None:
        async with self._store.reading() as work:
            return await work.proof_material(contract)
