"""`sps node init`: makes the key, and says what the others have to know of this node."""

import json
from pathlib import Path
from typing import Final

import msgspec

from sps.chain.genesis import Member
from sps.runtime.errors import Refusal
from sps.runtime.keys import load_or_create_seed
from sps.signing import Signer
from sps_cli.node.folder import NodeFolder

DONE: Final = 0


def init(folder: Path, name: str, url: str, weight: int, *, as_json: bool) -> int:
    """Make the key if there is none, print the public one and the entry; a key that is there stays."""
    place = NodeFolder(folder)
    new = not place.key.exists()
    public_key = Signer(load_or_create_seed(place.key)).public_key.hex()
    entry = _entry(name, public_key, weight, url)
    if as_json:
        print(json.dumps(entry, sort_keys=True))
        return DONE
    print(f"{'made' if new else 'kept'} {place.key}; it stays here, and no copy of it may ever vote")
    print(f"public key  {public_key}")
    print("entry for `validators` of the genesis document, before the first block:")
    print(json.dumps(entry, sort_keys=True, indent=2))
    print("a follower needs no entry. next: sps node join")
    return DONE


def _entry(name: str, public_key: str, weight: int, url: str) -> dict[str, str | int]:
    entry: dict[str, str | int] = {"name": name, "public_key": public_key, "url": url, "weight": weight}
    try:
        msgspec.convert(entry, Member)
    except msgspec.ValidationError as error:
        raise Refusal("BAD_ENTRY", f"the genesis document would not take this entry: {error}") from error
    return entry
