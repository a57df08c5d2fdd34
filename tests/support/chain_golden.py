"""The golden samples of the chain's formats, and the way to write them anew: `python chain_golden.py`.

Writing them anew is a change of the protocol: other implementations read these files.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from chain_kit import API, ChainKit
from chain_story import Story

from sps.chain import batch as batches
from sps.chain import header as headers
from sps.chain.block import Committed, decode_committed, encode_committed
from sps.chain.certificate import decode_certificate, encode_certificate
from sps.chain.committee import committee_hash, first_seed, leader_order
from sps.chain.genesis import genesis_bytes, load_genesis
from sps.chain.proof_format import decode_proof, encode_proof
from sps.chain.vote import VoteKind, decode_vote, encode_vote, sign_vote

FOLDER: Final = Path(__file__).parents[2] / "libs/common/tests/golden/chain"


class Sample(NamedTuple):
    """One value of a format; `names` are hashes that follow from it. `text` formats have no hex file."""

    value: Any
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]
    names: dict[str, bytes]
    text: bool = False


def samples() -> dict[str, Sample]:
    """One sample per format, from fixed seeds."""
    kit = ChainKit()
    sealed = kit.batch(API, [b'{"n":1}', b'{"n":2}', b'{"n":3}'])
    first = kit.block([sealed])
    vote = sign_vote(
        kit.validators[2], kit.chain_id, 2, VoteKind.NOTARIZE, 1, 1, 1, headers.block_id(first.header)
    )
    nullify = sign_vote(kit.validators[1], kit.chain_id, 1, VoteKind.NULLIFY, 1, 9)
    certificate = kit.certify(first.header, signers=(0, 1, 3))
    trailing = (kit.block().header, kit.block().header)
    committed = Committed(first.header, first.refs, trailing, kit.certify(trailing[-1], signers=(1, 2, 3)))
    identity = {"block_id": headers.block_id(first.header)}
    committee = {
        "chain_id": kit.chain_id,
        "committee_hash": committee_hash(kit.committee),
        "leader_order": bytes(leader_order(first_seed(kit.chain_id), 4)),
        "block_id": headers.genesis_block_id(kit.chain_id),
    }
    named = {"digest": batches.digest(sealed.header)}
    return {
        "batch": Sample(sealed, batches.encode_batch, batches.decode_batch, named),
        "ref": Sample(first.refs[0], headers.encode_ref, headers.decode_ref, {}),
        "header": Sample(first.header, headers.encode_header, headers.decode_header, identity),
        "vote": Sample(vote, encode_vote, decode_vote, {}),
        "vote_nullify": Sample(nullify, encode_vote, decode_vote, {}),
        "certificate": Sample(certificate, encode_certificate, decode_certificate, {}),
        "committed": Sample(committed, encode_committed, decode_committed, identity),
        "genesis": Sample(kit.genesis, genesis_bytes, load_genesis, committee, text=True),
        "proof": Sample(decode_proof(Story().proof()), encode_proof, decode_proof, {}, text=True),
    }


def files(name: str, sample: Sample) -> dict[str, bytes]:
    """The golden files of a sample by file name."""
    raw = sample.encode(sample.value)
    names = {key: value.hex() for key, value in sample.names.items()}
    if sample.text:
        made = {f"{name}.json": raw}
        return made | ({f"{name}.names.json": _pretty(names)} if names else {})
    fields = _readable(sample.value)
    return {
        f"{name}.hex": raw.hex().encode() + b"\n",
        f"{name}.json": _pretty({"fields": fields, "names": names}),
    }


def _pretty(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def _readable(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [_readable(item) for item in value]
    if isinstance(value, msgspec.Struct):
        return {name: _readable(getattr(value, name)) for name in value.__struct_fields__}
    return value


def write() -> None:
    """Write all golden files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, sample in samples().items():
        for file, content in files(name, sample).items():
            (FOLDER / file).write_bytes(content)


if __name__ == "__main__":
    write()
