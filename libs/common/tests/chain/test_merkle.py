"""RFC 6962 trees: published vectors, and a stupid recursive twin for every size."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sps.chain import merkle

VECTOR_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
VECTOR_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Roots over the first 0 to 8 leaves, from the reference implementation of RFC 6962."""

leaf_lists = st.lists(st.binary(max_size=8), min_size=1, max_size=70)


def stupid_root(leaves):
    """The definition of RFC 6962 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = stupid_split(len(leaves))
    return hashlib.sha256(b"\x01" + stupid_root(leaves[:split]) + stupid_root(leaves[split:])).digest()


def stupid_split(n):
    split = 1
    while split * 2 < n:
        split *= 2
    return split


def stupid_path(leaves, index):
    """The definition of RFC 6962 2.1.1."""
    if len(leaves) == 1:
        return []
    split = stupid_split(len(leaves))
    if index < split:
        return [*stupid_path(leaves[:split], index), stupid_root(leaves[split:])]
    return [*stupid_path(leaves[split:], index - split), stupid_root(leaves[:split])]


@pytest.mark.parametrize("size", range(9))
def test_the_roots_of_the_reference_implementation(size):
    assert merkle.root(VECTOR_LEAVES[:size]).hex() == VECTOR_ROOTS[size]


def test_an_inclusion_path_of_the_reference_implementation():
    path = [node.hex() for node in merkle.inclusion_path(VECTOR_LEAVES, 5)]
    assert path == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def test_a_consistency_path_of_the_reference_implementation():
    path = [node.hex() for node in merkle.consistency_path(VECTOR_LEAVES, 6)]
    assert path == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


@given(leaf_lists)
@settings(deadline=None)
def test_the_root_is_the_one_of_the_stupid_twin(leaves):
    assert merkle.root(leaves) == stupid_root(leaves)
    assert merkle.root_of_hashes([merkle.leaf_hash(leaf) for leaf in leaves]) == stupid_root(leaves)


@pytest.mark.parametrize("size", range(1, 34))
def test_every_leaf_of_every_size_is_proved_at_its_place_and_nowhere_else(size):
    leaves = [b"leaf %d" % number for number in range(size)]
    root = merkle.root(leaves)
    for index in range(size):
        path = merkle.inclusion_path(leaves, index)
        assert list(path) == stupid_path(leaves, index)
        for claimed in range(-1, size + 1):
            good = merkle.verify_inclusion(leaves[index], claimed, size, path, root)
            assert good is (claimed == index)


@given(leaf_lists, st.data())
@settings(deadline=None)
def test_a_bent_inclusion_proof_is_refused(leaves, data):
    index = data.draw(st.integers(0, len(leaves) - 1))
    root, path = merkle.root(leaves), merkle.inclusion_path(leaves, index)
    size = len(leaves)
    assert not merkle.verify_inclusion(leaves[index] + b"!", index, size, path, root)
    assert not merkle.verify_inclusion(leaves[index], index, size, (*path, root), root)
    assert not merkle.verify_inclusion(leaves[index], index, size, path, bytes(32))
    for position in range(len(path)):
        assert not merkle.verify_inclusion(
            leaves[index], index, size, path[:position] + path[position + 1 :], root
        )
        bent = (*path[:position], bytes(32), *path[position + 1 :])
        assert not merkle.verify_inclusion(leaves[index], index, size, bent, root)


@given(leaf_lists, st.data())
@settings(deadline=None)
def test_a_sided_path_leads_to_the_root_and_each_side_counts(leaves, data):
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = merkle.sided_path(leaves, index)
    assert merkle.root_of_sided_path(leaves[index], path) == merkle.root(leaves)
    assert tuple(sibling for _, sibling in path) == merkle.inclusion_path(leaves, index)
    distinct = [b"%d" % number for number in range(len(leaves))]
    path = merkle.sided_path(distinct, index)
    for position, (on_left, sibling) in enumerate(path):
        bent = (*path[:position], (not on_left, sibling), *path[position + 1 :])
        assert merkle.root_of_sided_path(distinct[index], bent) != merkle.root(distinct)


@pytest.mark.parametrize("size", range(1, 26))
def test_every_prefix_of_every_size_is_proved_consistent(size):
    leaves = [b"leaf %d" % number for number in range(size)]
    root = merkle.root(leaves)
    for old in range(1, size + 1):
        old_root, path = merkle.root(leaves[:old]), merkle.consistency_path(leaves, old)
        assert merkle.verify_consistency(old, size, old_root, root, path)
        assert not merkle.verify_consistency(old, size, bytes(32), root, path)
        assert not merkle.verify_consistency(old, size, old_root, bytes(32), path)
        assert not merkle.verify_consistency(old, size, old_root, root, (*path, root))
        for position in range(len(path)):
            assert not merkle.verify_consistency(
                old, size, old_root, root, path[:position] + path[position + 1 :]
            )


@given(leaf_lists, leaf_lists, st.data())
@settings(deadline=None)
def test_a_rewritten_history_has_no_consistency_proof(leaves, more, data):
    old = data.draw(st.integers(0, len(leaves) - 1))
    grown = leaves + more
    rewritten = [*grown[:old], grown[old] + b"!", *grown[old + 1 :]]
    path = merkle.consistency_path(rewritten, len(leaves))
    assert not merkle.verify_consistency(
        len(leaves), len(grown), merkle.root(leaves), merkle.root(rewritten), path
    )


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3), (-1, 3)])
def test_sizes_that_cannot_be_are_refused(old, new):
    assert not merkle.verify_consistency(old, new, bytes(32), bytes(32), ())
    with pytest.raises(IndexError):
        merkle.consistency_path([b""] * new, old)


def test_a_leaf_is_never_taken_for_an_inner_node():
    left, right = merkle.leaf_hash(b"a"), merkle.leaf_hash(b"b")
    assert merkle.root([left + right]) != merkle.root([b"a", b"b"])


def test_doubling_the_last_leaf_changes_the_root():
    assert merkle.root([b"a", b"b", b"c"]) != merkle.root([b"a", b"b", b"c", b"c"])


def test_there_is_no_path_to_a_leaf_outside_the_tree():
    with pytest.raises(IndexError):
        merkle.inclusion_path([b"a"], 1)
    with pytest.raises(IndexError):
        merkle.inclusion_path([], 0)


def test_an_endless_path_is_not_walked():
    assert not merkle.verify_inclusion(b"a", 0, 2**80, (bytes(32),) * 80, bytes(32))
    assert not merkle.verify_consistency(1, 2**80, bytes(32), bytes(32), (bytes(32),) * 80)
