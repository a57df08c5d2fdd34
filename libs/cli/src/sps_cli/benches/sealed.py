"""Batches of contracts' whole lives, signed before anything is measured, and the order to send them in."""

import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec import Struct

from sps.chain.batch import FIRST_PREV_DIGEST, Batch, digest, encode_batch, seal
from sps.chain.genesis import Role, chain_id
from sps.eventlog.port import NewRecord
from sps.eventlog.topics import TOPICS, TRANSACTIONS
from sps.runtime.keys import load_signer
from sps_cli.benches.programs import load_program
from sps_cli.state_folder import PRODUCERS, StateFolder

WORKLOAD: Final = "execution_bench.py"
STAGE_ROLES: Final[tuple[Role, ...]] = ("api", "api", "payment", "carrier", "carrier", "payment")


class Sealed(Struct, frozen=True):
    """A batch as it goes to the log; `after`: the one that has to be ordered before it."""

    name: bytes
    batch: Batch
    partition: int
    record: NewRecord
    after: bytes | None = None


class Sealers:
    """The producers of an installation, with their keys."""

    def __init__(self, folder: StateFolder) -> None:
        self._chain: Final = chain_id(folder.genesis_path.read_bytes())
        self._signers: Final = {
            role: (number, load_signer(folder.key(name))) for number, name, role in PRODUCERS
        }
        self._lanes: Final[dict[Role, tuple[int, bytes]]] = {}
        self._contracts = 0

    def singles(self, count: int) -> list[Sealed]:
        """Offers, each alone in its batch."""
        return [self._seal("api", [raw]) for raw in self._stages(count)[0]]

    def lives(self, groups: int, size: int, apart: int) -> list[Sealed]:
        """Groups of `size` contracts from the offer to the paid payout, in the order to send them in.

        One batch for each stage of each group. Between two stages of a group there are the batches of `apart`
        other groups, so that who sends need not wait for the stage before.
        """
        stages = [_cut(stage, size) for stage in self._stages(groups * size)]
        places = range(len(stages))
        turns = [(group + place * apart, place, group) for group in range(groups) for place in places]
        before: dict[int, bytes] = {}
        order: list[Sealed] = []
        for _, place, group in sorted(turns):
            sealed = self._seal(STAGE_ROLES[place], stages[place][group], before.get(group))
            before[group] = sealed.name
            order.append(sealed)
        return order

    def _stages(self, contracts: int) -> list[list[bytes]]:
        """All transactions of so many contracts that were not there before, by stage."""
        program: Any = load_program(WORKLOAD)
        first, self._contracts = self._contracts, self._contracts + contracts
        made: Iterator[list[bytes]] = program.stages(contracts, first, _now_ms())
        return list(made)

    def _seal(self, role: Role, transactions: Sequence[bytes], after: bytes | None = None) -> Sealed:
        number, signer = self._signers[role]
        seq, previous = self._lanes.get(role, (0, FIRST_PREV_DIGEST))
        batch = seal(signer, self._chain, number, seq + 1, previous, transactions, _now_ms())
        name = digest(batch.header)
        self._lanes[role] = (seq + 1, name)
        record = NewRecord(number.to_bytes(8, "big"), encode_batch(batch))
        return Sealed(name, batch, number % TOPICS[TRANSACTIONS].partitions, record, after)


def _cut(transactions: list[bytes], size: int) -> list[list[bytes]]:
    return [transactions[at : at + size] for at in range(0, len(transactions), size)]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
