"""CPU time of executing real contracts: decoding, contract, ledger, receipts, both roots; blocks of 500."""

from typing import Final

from sps_cli.benches.figures import Effort, Figure, Told, at_most, median
from sps_cli.benches.programs import run_program

PART: Final = "execution"
PROGRAM: Final = "execution_bench.py"
TARGET_US: Final = 14.0
"""What is left of 20 µs when ordering takes 6."""
KINDS: Final = {
    "offer_us": "offer",
    "accept_us": "accept",
    "cleared_us": "payment cleared",
    "book_us": "parcel booked",
    "delivered_us": "delivered, released, payout ordered",
    "payout_paid_us": "payout paid",
}
TX_PER_CONTRACT: Final = len(KINDS)
UNIT: Final = "µs CPU/tx"


async def measure(effort: Effort, told: Told) -> list[Figure]:
    """Several processes, each the best of its own rounds; the median of them."""
    contracts, runs = effort.of(2_000, 500), effort.of(3, 1)
    results = []
    for run in range(runs):
        told(f"executing {contracts} contracts, run {run + 1} of {runs}")
        found = run_program(PROGRAM, "--contracts", str(contracts), "--rounds", str(effort.of(3, 1)))
        results.append(found["execution"])
    n = runs * contracts * TX_PER_CONTRACT

    def figure(name: str, what: str, target: float | None = None) -> Figure:
        value = round(median([result[name] for result in results]), 2)
        return Figure(PART, f"execution, {what}", value, UNIT, n, target, at_most(target))

    return [
        figure("execute_us_per_tx", "all kinds of a contract's life", TARGET_US),
        figure("quietest_blocks_us_per_tx", "the quietest block of each kind", TARGET_US),
        *(figure(name, what) for name, what in KINDS.items()),
        figure("of_which_decode_us", "of which decoding"),
        figure("of_which_payload_and_tx_root_us", "of which payload and tx root"),
    ]
