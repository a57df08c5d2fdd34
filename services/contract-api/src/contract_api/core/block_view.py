"""What the API shows of a block: everything on it is public, and nothing personal stands on it."""

from collections.abc import Sequence
from typing import Any, Final

from contract_api.core.views import event_view, moment
from sps.chain.block import Committed
from sps.chain.header import (
    FLAG_CHECKPOINT,
    FLAG_DRAIN,
    FLAG_EPOCH_END,
    FLAG_HEARTBEAT,
    FLAG_TIMER,
    BatchRef,
    block_id,
)
from sps.chain.receipt import Receipt

_FLAGS: Final = {
    FLAG_DRAIN: "drain",
    FLAG_CHECKPOINT: "checkpoint",
    FLAG_EPOCH_END: "epoch_end",
    FLAG_HEARTBEAT: "heartbeat",
    FLAG_TIMER: "timer",
}


def block_view(committed: Committed, receipts: Sequence[tuple[Receipt, bytes | None]]) -> dict[str, Any]:
    """Header, references, certificate and the receipts, each with its transaction's bytes."""
    header, finalization = committed.header, committed.finalization
    return {
        "height": header.height,
        "block_id": block_id(header).hex(),
        "parent_id": header.parent_id.hex(),
        "epoch": header.epoch,
        "view": header.view,
        "proposer": header.proposer,
        "time": moment(header.time_ms),
        "flags": [name for flag, name in _FLAGS.items() if header.flags & flag],
        "batches_root": header.batches_root.hex(),
        "cursors_root": header.cursors_root.hex(),
        "committee_hash": header.committee_hash.hex(),
        "exec_height": header.exec_height,
        "app_hash": header.app_hash.hex(),
        "results_root": header.results_root.hex(),
        "batches": [_reference(each) for each in committed.refs],
        "finalization": {
            "view": finalization.view,
            "height": finalization.height,
            "block_id": finalization.block_id.hex(),
            "signers": list(finalization.signers),
        },
        "receipts": [event_view(header.time_ms, receipt, body) for receipt, body in receipts],
    }


def _reference(ref: BatchRef) -> dict[str, Any]:
    return {
        "producer": ref.producer_id,
        "seq": ref.seq,
        "digest": ref.digest.hex(),
        "tx_root": ref.tx_root.hex(),
        "tx_count": ref.tx_count,
        "payload_len": ref.payload_len,
    }
