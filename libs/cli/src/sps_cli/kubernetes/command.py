"""`sps kubernetes secrets`: fills a folder with everything secret of an installation, and writes its objects.

The folder is the installation's safe: `<Secret>/<key>` for each, `genesis.json`, and `objects.json` for
kubectl. What is there is never made anew. What only a person knows is named, and taken from its file at the
next call.
"""

import json
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from sps.chain.genesis import chain_id, genesis_bytes, load_genesis
from sps.runtime.errors import Refusal
from sps.signing import Signer
from sps_cli.kubernetes.first_block import OPERATOR, new_genesis
from sps_cli.kubernetes.inventions import PRODUCERS, inventor
from sps_cli.kubernetes.private_files import keep, kept
from sps_cli.kubernetes.rendered import (
    BASIC_AUTH,
    GENESIS_FILE,
    VALIDATORS,
    Installation,
    Wanted,
    installation,
    read_objects,
)

OBJECTS: Final = "objects.json"
SANDBOX_PART: Final = "sandbox"
MISSING: Final = 1

Texts = dict[Wanted, str]


def run(folder: Path, network: str, namespace: str) -> int:
    """Read the rendered objects from standard input; 0 when nothing is missing any more."""
    try:
        found = installation(read_objects(sys.stdin.read()))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Refusal(
            "NOT_RENDERED", f"give the objects of `helm template` on standard input: {error}"
        ) from error
    if not found.wanted:
        raise Refusal("NOTHING_WANTED", "no object on standard input wants a Secret")
    os.umask(0o077)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    texts, missing = _fill(folder, found)
    if network:
        _make_genesis(folder, network, namespace, found, texts)
    _write_objects(folder, found, texts)
    _tell(folder, found, texts, missing)
    return MISSING if missing else 0


def _fill(folder: Path, found: Installation) -> tuple[Texts, list[Path]]:
    """Every key's content, invented where it is ours; and the files that a person has to write."""
    invented = inventor(folder / SANDBOX_PART, found.components)
    texts: Texts = {}
    missing = []
    for wanted in found.wanted:
        path = folder / wanted.secret / wanted.key
        text = kept(path)
        if text is None and (new := invented(wanted)) is not None:
            text = keep(path, new)
        if text is None:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            missing.append(path)
        else:
            texts[wanted] = text
    return texts, list(dict.fromkeys(missing))


def _seeds(texts: Texts) -> dict[str, str]:
    """Of those who sign, by their names in the genesis document."""
    return {
        wanted.owner: text
        for wanted, text in texts.items()
        if wanted.key == "key" and (wanted.owner in PRODUCERS or wanted.owner.startswith(VALIDATORS))
    }


def _make_genesis(folder: Path, network: str, namespace: str, found: Installation, texts: Texts) -> None:
    path = folder / GENESIS_FILE
    if path.exists():
        return
    seeds = _seeds(texts)
    lacking = sorted(PRODUCERS - seeds.keys()) + ([] if found.validators else [VALIDATORS])
    if lacking:
        raise Refusal(
            "NOT_A_WHOLE_CHAIN",
            f"a new chain needs {', '.join(lacking)} too; without --network the document is somebody else's",
        )
    operator = folder / OPERATOR / "key"
    text = kept(operator)
    seeds[OPERATOR] = keep(operator, os.urandom(32).hex()) if text is None else text
    genesis = new_genesis(network, namespace, found, seeds, time.time_ns() // 1_000_000)
    keep(path, genesis_bytes(genesis).decode())


def _write_objects(folder: Path, found: Installation, texts: Texts) -> None:
    """Secrets that no operator fetches, and the genesis document where pods look for a ConfigMap of ours."""
    names = sorted({wanted.secret for wanted in texts} - found.fetched)
    items = [_secret(name, found, texts) for name in names]
    name, key = found.genesis
    document = kept(folder / GENESIS_FILE)
    if name and document is not None:
        items.append(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {key: document}}
        )
    keep(folder / OBJECTS, json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=1))


def _secret(name: str, found: Installation, texts: Texts) -> dict[str, Any]:
    content = {wanted.key: text for wanted, text in texts.items() if wanted.secret == name}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "Opaque",
        "stringData": content,
    }
    if name in found.roles:
        return secret | {"type": BASIC_AUTH, "stringData": {"username": found.roles[name], **content}}
    return secret


def _tell(folder: Path, found: Installation, texts: Texts, missing: Iterable[Path]) -> None:
    keys = {(wanted.secret, wanted.key) for wanted in texts}
    print(f"{len(keys)} keys of {len({secret for secret, _ in keys})} Secrets are in {folder}: keep it safe")
    document = kept(folder / GENESIS_FILE)
    if document is not None:
        raw = document.encode()
        print(f"genesis document of {load_genesis(raw).network}, chain {chain_id(raw).hex()}")
    for owner, seed in _seeds(texts).items() if document is None else ():
        print(f"public key of {owner}: {Signer(bytes.fromhex(seed)).public_key.hex()}")
    if document is None:
        print(
            f"no {GENESIS_FILE} yet: give --network for a new chain, or put there the one that you were given"
        )
    for path in missing:
        print(f"missing: {path}")
    if found.fetched:
        print(f"for your store of secrets, not for kubectl: {', '.join(sorted(found.fetched))}")
    print(f"next: kubectl apply --server-side -f {folder / OBJECTS}")
