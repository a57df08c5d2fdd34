"""What the REST API answers about the chain itself, for the documentation."""

from pydantic import Field

from contract_api.entrypoints.schemas import Event, Hash, Time, View


class BatchReference(View):
    """A batch of transactions that the block orders."""

    producer: int
    seq: int
    digest: Hash
    tx_root: Hash
    tx_count: int
    payload_len: int


class Finalization(View):
    """The certificate that makes the block final: for itself, or for a descendant."""

    view: int
    height: int
    block_id: Hash
    signers: list[int] = Field(description="Indexes of the validators that signed.")


class Block(View):
    """A final block: its header, what it orders, and what executing it gave."""

    height: int
    block_id: Hash
    parent_id: Hash
    epoch: int
    view: int
    proposer: int
    time: Time
    flags: list[str]
    batches_root: Hash
    cursors_root: Hash
    committee_hash: Hash
    exec_height: int = Field(description="The height whose results this header states.")
    app_hash: Hash
    results_root: Hash
    batches: list[BatchReference]
    finalization: Finalization
    receipts: list[Event]
