"""Everything that somebody with full rights on the broker, and none of our keys, may put on it."""

import random
from collections.abc import Iterator, Sequence
from typing import Any, Final

from chain_kit import API, ChainKit, make_genesis, signer
from chain_world import Deal
from hostile_town import IDS, HostileTown
from msgspec.structs import replace

from consensus_node.core.messages import Certs, Proposal, Request, RequestKind, Status, Votes
from consensus_node.core.wire import encode_message
from sps.chain.batch import Batch, digest, encode_batch, seal
from sps.chain.block import Committed, encode_committed
from sps.chain.certificate import Certificate, certificate_of
from sps.chain.genesis import Parameters
from sps.chain.header import Header, block_id
from sps.chain.vote import Vote, VoteKind, sign_vote
from sps.eventlog.conformance import TrimmableLog
from sps.eventlog.port import NewRecord
from sps.eventlog.topics import BLOCKS, CONSENSUS, RECORD_BYTES_MAX, TOPICS, TRANSACTIONS
from sps.transactions.codec import encode

Lane = tuple[str, int]
CHAIN_TOPICS: Final = (TRANSACTIONS, CONSENSUS, BLOCKS)
LANES: Final[tuple[Lane, ...]] = tuple(
    (topic, number) for topic in CHAIN_TOPICS for number in range(TOPICS[topic].partitions)
)
VALIDATORS: Final = 4
PAGE: Final = 100
"""Records of one append."""
FAR: Final = 2**60
THIEVES: Final = tuple(f"thief {index}" for index in range(VALIDATORS))


class Attacker:
    """Writes to the topics of a town as it likes."""

    def __init__(self, town: HostileTown, seed: int = 1) -> None:
        self.town = town
        self.log: TrimmableLog = town.log
        self.chance = random.Random(seed)
        self.kit = ChainKit(genesis=town.genesis)
        """Holds the true keys; used only for what anybody could assemble from the topics."""
        self.stranger = ChainKit(genesis=make_genesis(VALIDATORS, Parameters(heartbeat_ms=9_999)))

    async def records(self) -> dict[Lane, list[NewRecord]]:
        """All that stands on the three topics."""
        found: dict[Lane, list[NewRecord]] = {}
        for lane in LANES:
            offset, end = await self.log.bounds(*lane)
            while offset < end:
                for record in await self.log.read(*lane, offset, wait_s=1.0):
                    found.setdefault(lane, []).append(NewRecord(record.key, record.value))
                    offset = record.offset + 1
        return found

    async def repeat_everything(self, times: int) -> None:
        """Append all records again, several times, in any order."""
        for lane, records in (await self.records()).items():
            again = records * times
            self.chance.shuffle(again)
            await self.append(lane, again)

    async def forget_everything(self) -> None:
        """Let all records of all topics go (`DeleteRecords`)."""
        for lane in LANES:
            await self.log.trim(*lane, (await self.log.bounds(*lane))[1])

    async def cut_halves(self) -> None:
        """Append the first and the second half of every record."""
        for lane, records in (await self.records()).items():
            halves = []
            for record in records:
                middle = len(record.value) // 2
                halves += [NewRecord(record.key, record.value[:middle])]
                halves += [NewRecord(record.key, record.value[middle:])]
            await self.append(lane, halves)

    async def invent(self, lane: Lane, values: Sequence[bytes]) -> int:
        """Append these; returns how many."""
        await self.append(lane, [NewRecord(self.chance.randbytes(8), value) for value in values])
        return len(values)

    async def append(self, lane: Lane, records: Sequence[NewRecord]) -> None:
        """Append in pages."""
        for start in range(0, len(records), PAGE):
            await self.log.append(*lane, records[start : start + PAGE])

    # --- blocks ---------------------------------------------------------------------------------

    def forged_blocks(self, ahead: int) -> list[bytes]:
        """Blocks of the heights to come that look well; no quorum ever finalized them."""
        tip = self.town.block(self.town.height).header
        forged: list[Committed] = []
        for step in range(1, ahead + 1):
            header = replace(
                tip,
                height=tip.height + step,
                view=tip.view + step,
                parent_id=block_id(tip),
                time_ms=tip.time_ms + step,
            )
            forged += self._forged(header)
        return [encode_committed(block) for block in forged]

    def bent_blocks(self) -> list[bytes]:
        """True blocks with something else in them than was finalized, at heights that are final."""
        bent: list[Committed] = []
        for height in range(1, self.town.height + 1):
            true = self.town.block(height)
            bent += [
                replace(true, header=replace(true.header, time_ms=true.header.time_ms + 1)),
                replace(true, refs=true.refs[1:] if true.refs else (_some_ref(self.town),)),
                replace(true, finalization=replace(true.finalization, signatures=_bent(true.finalization))),
                *self._forged(true.header),
            ]
        return [encode_committed(block) for block in bent]

    def blocks_of_another_chain(self, count: int) -> list[bytes]:
        """Whole and certified, by validators with our names and another genesis."""
        return [encode_committed(self.stranger.block()) for _ in range(count)]

    def _forged(self, header: Header) -> list[Committed]:
        bent = replace(header, app_hash=bytes([header.height % 256]) * 32)
        borrowed = self.town.block(self.town.height).finalization
        alone = self.kit.certify(bent, signers=[1])
        certificates = [
            certificate_of(strangers_votes(self.town, bent)),
            self.kit.certify(bent, signers=[0, 3]),
            self.kit.certify(bent, kind=VoteKind.NOTARIZE),
            replace(alone, signers=(0, 1, 2), signatures=alone.signatures * 3),
            borrowed,
            self.stranger.certify(bent),
        ]
        return [Committed(bent, (), (), each) for each in certificates]

    # --- batches --------------------------------------------------------------------------------

    def forged_batches(self) -> list[bytes]:
        """For the lane of contract-api: what it never signed."""
        chain, said = (
            self.town.chain_id,
            [batch for batch in self.town.said if batch.header.producer_id == IDS[API]],
        )
        newest = said[-1].header
        following, previous = newest.seq + 1, digest(newest)
        raws = [b"{}"]
        forged: list[Batch] = [
            seal(signer("thief"), chain, IDS[API], following, previous, raws, 1),
            seal(signer("thief"), chain, 99, 1, bytes(32), raws, 1),
            seal(signer(API), bytes(32), IDS[API], following, previous, raws, 1),
            *(replace(batch, signature=bytes(64)) for batch in said),
            *(replace(batch, signature=_flipped(batch.signature)) for batch in said),
            *(replace(batch, payload=_flipped(batch.payload)) for batch in said),
            *(replace(batch, header=replace(batch.header, seq=batch.header.seq + 1)) for batch in said),
            *(replace(batch, header=replace(batch.header, tx_count=2**32 - 1)) for batch in said),
        ]
        return [encode_batch(batch) for batch in forged]

    def twin_of_the_next(self) -> Batch:
        """Another batch under the number that contract-api will use next, signed with its key."""
        newest = [batch for batch in self.town.said if batch.header.producer_id == IDS[API]][-1].header
        return seal(
            signer(API), self.town.chain_id, IDS[API], newest.seq + 1, digest(newest), [_offer("twin")], 2
        )

    def twin_of(self, batch: Batch) -> Batch:
        """Another batch under the number of one that is final."""
        header = batch.header
        return seal(
            signer(API), self.town.chain_id, IDS[API], header.seq, header.prev_digest, [_offer("late")], 3
        )

    # --- messages -------------------------------------------------------------------------------

    def forged_messages(self, views: int) -> list[bytes]:
        """Votes, proposals, certificates and more in the names of all validators, for the views to come."""
        tip = self.town.block(self.town.height).header
        found: list[Any] = []
        for step in range(1, views + 1):
            header = replace(tip, view=tip.view + step, height=tip.height + 1, parent_id=block_id(tip))
            for index in range(VALIDATORS):
                found += self._in_the_name_of(index, header)
            found.append(
                Certs(
                    (
                        certificate_of(strangers_votes(self.town, header)),
                        self.kit.certify(header, signers=[2]),
                    )
                )
            )
        return [encode_message(message) for message in found]

    def _in_the_name_of(self, index: int, header: Header) -> Iterator[Any]:
        thief, chain, name = signer(THIEVES[index]), self.town.chain_id, block_id(header)
        for kind in VoteKind:
            about = (0, bytes(32)) if kind is VoteKind.NULLIFY else (header.height, name)
            yield Votes(index, (sign_vote(thief, chain, index, kind, 1, header.view, *about),))
        vote = sign_vote(thief, chain, index, VoteKind.NOTARIZE, 1, header.view, header.height, name)
        yield Proposal(replace(header, proposer=index), (), None, (), vote.signature)
        yield Status(index, 1, FAR, FAR, name, FAR, name, FAR, vote.signature)
        for what in RequestKind:
            yield Request(index, what, 1, 0, FAR, self.chance.getrandbits(32), vote.signature)


def strangers_votes(town: HostileTown, header: Header) -> Iterator[Vote]:
    """Of all four seats, signed by others."""
    for index, thief in enumerate(THIEVES):
        yield sign_vote(
            signer(thief),
            town.chain_id,
            index,
            VoteKind.FINALIZE,
            1,
            header.view,
            header.height,
            block_id(header),
        )


def allocation_bombs() -> list[bytes]:
    """Small records that claim to hold very much."""
    counts = [b"\xff\xff", b"\xff" * 4, b"\xff" * 8]
    small = [bytes([tag]) + count * 8 for tag in range(7) for count in counts]
    header = b"\x00\x01" + bytes(441)
    return [
        *small,
        header + b"\xff\xff" + bytes(88),
        header + b"\x00\x00\xff\xff" + bytes(443),
        header + b"\x00\x00\x00\x00" + bytes(57) + b"\xff\xff" + b"\xff" * 600,
        bytes(124) + b"\xff" * 4 + bytes(64) + b"\xff" * 8,
        b"",
    ]


def large_garbage() -> list[bytes]:
    """As large as the log takes them, and nothing in them."""
    size = RECORD_BYTES_MAX - 100
    return [bytes(size), b"\xff" * size, b"\x01" * size]


def _offer(name: str) -> bytes:
    return encode(Deal(name).offer())


def _some_ref(town: HostileTown) -> Any:
    heights = range(1, town.height + 1)
    return next(ref for height in heights for ref in town.block(height).refs)


def _bent(certificate: Certificate) -> tuple[bytes, ...]:
    return (*certificate.signatures[:-1], _flipped(certificate.signatures[-1]))


def _flipped(raw: bytes) -> bytes:
    return raw[:-1] + bytes([raw[-1] ^ 1])
