"""Merkle trees of RFC 6962 / RFC 9162: leaf = SHA-256(0x00 | data), node = SHA-256(0x01 | left | right).

Split at the largest power of two below n, no leaf is ever doubled, the empty tree is SHA-256 of nothing.
Working level by level and carrying the odd node up gives the same tree as the RFC's recursion.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

PATH_MAX: Final = 64
"""Longest path that is looked at: a tree of 2^64 leaves."""

LEAF_TAG: Final = b"\x00"
"""Stands before a leaf's data, so that no leaf is taken for a node."""

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()

_sha256: Final = hashlib.sha256


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf's data."""
    return _sha256(LEAF_TAG + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees."""
    return _sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf data."""
    sha256 = _sha256
    return root_of_hashes([sha256(LEAF_TAG + data).digest() for data in leaves])


def root_of_hashes(hashes: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    if not hashes:
        return EMPTY_ROOT
    level = list(hashes)
    while len(level) > 1:
        level = _parents(level)
    return level[0]


def inclusion_path(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The audit path of one leaf, siblings from the bottom up (RFC 9162 2.1.3.1)."""
    if not 0 <= index < len(leaves):
        raise IndexError("no such leaf")
    level = [leaf_hash(data) for data in leaves]
    path: list[bytes] = []
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        level = _parents(level)
        index >>= 1
    return tuple(path)


def verify_inclusion(leaf_data: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Tell whether the leaf stands at `index` in the tree of `size` leaves (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size or len(path) > PATH_MAX:
        return False
    hashed = leaf_hash(leaf_data)
    last = size - 1
    for sibling in path:
        if last == 0:
            return False
        if index & 1 or index == last:
            hashed = node_hash(sibling, hashed)
            while index and not index & 1:
                index >>= 1
                last >>= 1
        else:
            hashed = node_hash(hashed, sibling)
        index >>= 1
        last >>= 1
    return last == 0 and hashed == root


def sided_path(leaves: Sequence[bytes], index: int) -> tuple[tuple[bool, bytes], ...]:
    """The audit path as (sibling is on the left, sibling): needs no tree size to be checked.

    For trees whose size is stated nowhere, such as the results of a height.
    """
    last = len(leaves) - 1
    path: list[tuple[bool, bytes]] = []
    for sibling in inclusion_path(leaves, index):
        while not index & 1 and index == last:
            index >>= 1
            last >>= 1
        path.append((bool(index & 1), sibling))
        index >>= 1
        last >>= 1
    return tuple(path)


def root_of_sided_path(leaf_data: bytes, path: Iterable[tuple[bool, bytes]]) -> bytes:
    """The root that a leaf and its sided path lead to."""
    hashed = leaf_hash(leaf_data)
    for on_left, sibling in path:
        hashed = node_hash(sibling, hashed) if on_left else node_hash(hashed, sibling)
    return hashed


def consistency_path(leaves: Sequence[bytes], m: int) -> tuple[bytes, ...]:
    """The proof that the first `m` leaves are a prefix of all (RFC 9162 2.1.4.1); 1 <= m <= n."""
    if not 1 <= m <= len(leaves):
        raise IndexError("the old size lies between 1 and the new size")
    return tuple(_subproof([leaf_hash(data) for data in leaves], m, known=True))


def verify_consistency(m: int, n: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Tell whether the tree of `m` leaves is a prefix of the tree of `n` (RFC 9162 2.1.4.2)."""
    if not 1 <= m <= n or len(path) > PATH_MAX:
        return False
    if m == n:
        return not path and old_root == new_root
    nodes = list(path) if m & (m - 1) else [old_root, *path]
    return bool(nodes) and _rebuild(m - 1, n - 1, nodes) == (old_root, new_root)


def _rebuild(old: int, new: int, nodes: list[bytes]) -> tuple[bytes, bytes] | None:
    """Rebuild both roots from the proof; `old` and `new` are the numbers of the last leaves."""
    while old & 1:
        old >>= 1
        new >>= 1
    first = second = nodes[0]
    for node in nodes[1:]:
        if new == 0:
            return None
        if old & 1 or old == new:
            first, second = node_hash(node, first), node_hash(node, second)
            while old and not old & 1:
                old >>= 1
                new >>= 1
        else:
            second = node_hash(second, node)
        old >>= 1
        new >>= 1
    return (first, second) if new == 0 else None


def _subproof(hashes: list[bytes], m: int, *, known: bool) -> list[bytes]:
    n = len(hashes)
    if m == n:
        return [] if known else [root_of_hashes(hashes)]
    split = 1 << ((n - 1).bit_length() - 1)
    if m <= split:
        return [*_subproof(hashes[:split], m, known=known), root_of_hashes(hashes[split:])]
    return [*_subproof(hashes[split:], m - split, known=False), root_of_hashes(hashes[:split])]


def _parents(level: list[bytes]) -> list[bytes]:
    sha256 = _sha256
    pairs = iter(level)
    parents = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=False)]
    if len(level) & 1:
        parents.append(level[-1])
    return parents
