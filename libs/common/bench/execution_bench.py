# ruff: noqa: INP001 a program, not a module of a package
"""What executing the smart contract costs: full contracts through the normal road, in blocks of 500.

Decoding, the contract, the ledger, receipts and both roots are all inside; batches are made beforehand.
Prints CPU time per transaction; beside the mean the quietest blocks, since shared machines are noisy.
"""

import argparse
import gc
import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sps import identifiers
from sps.chain import merkle
from sps.chain.batch import Batch, BatchHeader, decode_payload, encode_payload
from sps.chain.execution import execute, new_state
from sps.chain.genesis import Genesis, Producer, Role
from sps.chain.header import BatchRef, Header, ref_of
from sps.chain.state import ChainState
from sps.escrow.release import payout_id
from sps.transactions import codec
from sps.transactions import vocabulary as facts
from sps.transactions.terms import Fees, PayoutWish, Terms, Tranche, terms_hash
from sps.transactions.values import WireMoney

BLOCK_TRANSACTIONS: Final = 500
START_MS: Final = 1_790_000_000_000
BLOCK_MS: Final = 25
ROLES: Final[tuple[Role, ...]] = ("api", "carrier", "payment", "settlement", "operator")
ZERO: Final = bytes(32)
TARGET_US: Final = 14.0


def h32(name: str) -> str:
    """A fixed 32-byte value."""
    return hashlib.sha256(name.encode()).hexdigest()


def ident(prefix: str, name: str) -> str:
    """A fixed identifier."""
    return identifiers.derived(prefix, hashlib.sha256(f"{prefix}{name}".encode()).digest())


def terms(number: int) -> Terms:
    """One tranche, one parcel, a fee, and an automatic payout."""
    return Terms(
        currency="CNY",
        price="125000",
        tranches=(Tranche("t1", "125000", ("p1",)),),
        carriers=("dhl",),
        goods=h32(f"goods{number}"),
        ship_to=h32(f"ship{number}"),
        address=h32(f"address{number}"),
        release="on_delivery",
        fees=Fees(fee_bp=150),
        payout=PayoutWish("alipay", h32("account")),
    )


def stages(
    contracts: int, first: int = 0, delivered_ms: int = START_MS, sellers: int = 1
) -> Iterator[list[bytes]]:
    """All transactions of one stage after the other, encoded; `first`: the number of the first contract.

    `delivered_ms`: when the parcels arrived, which may lie neither before their booking nor in the future.
    """
    made = [(ident("ctr", str(n)), terms(n), str(n)) for n in range(first, first + contracts)]
    seller = [ident("mer", f"alice{n}") for n in range(sellers)]
    event = ident("evt", "x")
    money = WireMoney("CNY", "125000")
    yield [
        codec.encode(facts.Offer(event, c, seller[int(n) % sellers], h32("alice"), "0" * 128, t))
        for c, t, n in made
    ]
    yield [
        codec.encode(facts.Accept(event, c, terms_hash(t).hex(), h32("bob"), "0" * 128)) for c, t, _ in made
    ]
    yield [
        codec.encode(facts.PaymentCleared(event, c, ident("pay", n), "alipay", f"2026{n}", money, h32("raw")))
        for c, _, n in made
    ]
    yield [codec.encode(facts.BookParcel(event, c, "p1", "dhl", h32(f"tag{n}"))) for c, _, n in made]
    yield [
        codec.encode(
            facts.ParcelEvidence(
                event,
                c,
                "p1",
                "dhl",
                h32(f"tag{n}"),
                "delivered",
                "pulled",
                delivered_ms,
                h32(f"raw{n}"),
                t.ship_to,
                h32("pod"),
                "recipient",
            )
        )
        for c, t, n in made
    ]
    yield [
        codec.encode(facts.PayoutPaid(event, payout_id(c, "t1", 0), f"out{n}", h32("raw")))
        for c, _, n in made
    ]


def blocks(transactions: list[bytes], producer: int) -> Iterator[tuple[BatchRef, Batch]]:
    """Batches of one block each."""
    for at in range(0, len(transactions), BLOCK_TRANSACTIONS):
        raws = transactions[at : at + BLOCK_TRANSACTIONS]
        payload = encode_payload(raws)
        header = BatchHeader(
            producer, 1, ZERO, hashlib.sha256(payload).digest(), merkle.root(raws), len(raws), len(payload), 0
        )
        yield ref_of(header), Batch(header, bytes(64), payload)


def header_after(state: ChainState) -> Header:
    """The next header; consensus fields are not looked at by execution."""
    return Header(
        state.chain_id, 1, 1, state.height + 1, 0, 0, state.block_id, state.time_ms + BLOCK_MS, 0,
        ZERO, 1, BLOCK_TRANSACTIONS, 0, ZERO, ZERO, ZERO, ZERO,
    )  # fmt: skip


def genesis() -> Genesis:
    """The five producers."""
    producers = tuple(Producer(i, role, role, h32(role)) for i, role in enumerate(ROLES, start=1))
    return Genesis("bench", START_MS, (), producers)


def measure(contracts: int) -> dict[str, float]:
    """CPU microseconds per transaction, by stage and in all, and for parts that ordering shares."""
    state = new_state(genesis())
    names = ("offer", "accept", "cleared", "book", "delivered", "payout_paid")
    result: dict[str, float] = {}
    spent = count = size = 0
    quietest = 0.0
    decoding = framing = 0
    for name, transactions in zip(names, stages(contracts), strict=True):
        role = facts.ROLE_OF[type(codec.decode(transactions[0]))]
        work = list(blocks(transactions, ROLES.index(role) + 1))
        gc.collect()
        times = [_time_block(state, ref, batch) for ref, batch in work]
        took = sum(times)
        result[f"{name}_us"] = took / 1000 / len(transactions)
        quietest += min(times) / 1000 / BLOCK_TRANSACTIONS / len(names)
        spent, count = spent + took, count + len(transactions)
        size += sum(len(raw) for raw in transactions)
        decoding += _time_decoding(transactions)
        framing += _time_framing(work)
    result["execute_us_per_tx"] = spent / 1000 / count
    result["quietest_blocks_us_per_tx"] = quietest
    result["of_which_decode_us"] = decoding / 1000 / count
    result["of_which_payload_and_tx_root_us"] = framing / 1000 / count
    result["bytes_per_tx"] = size / count
    return result


def _time_block(state: ChainState, ref: BatchRef, batch: Batch) -> int:
    begin = time.process_time_ns()
    receipts = execute(state, header_after(state), [ref], [batch])
    took = time.process_time_ns() - begin
    if any(receipt.code != "OK" for receipt in receipts):
        raise RuntimeError(receipts[0])
    return took


def _time_decoding(transactions: list[bytes]) -> int:
    begin = time.process_time_ns()
    for raw in transactions:
        codec.decode(raw)
    return time.process_time_ns() - begin


def _time_framing(work: list[tuple[BatchRef, Batch]]) -> int:
    begin = time.process_time_ns()
    for _, batch in work:
        merkle.root(decode_payload(batch.payload))
    return time.process_time_ns() - begin


def main() -> None:
    """Measure, print, and write JSON when asked."""
    parser = argparse.ArgumentParser(description="cost of executing escrow transactions")
    parser.add_argument("--contracts", type=int, default=3_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rounds = [measure(options.contracts) for _ in range(options.rounds)]
    best = min(rounds, key=lambda one: one["execute_us_per_tx"])
    best["target_us_per_tx"] = TARGET_US
    for name, value in best.items():
        print(f"{name:36} {value:10.2f}")  # noqa: T201 a report on the terminal
    if options.json:
        options.json.write_text(json.dumps({"execution": best}, indent=1) + "\n")


if __name__ == "__main__":
    main()
