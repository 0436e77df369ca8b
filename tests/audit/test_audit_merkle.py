"""The tree against RFC 6962's own recursion, the published roots, and every small proof."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.audit import verify as v
from backend.audit.merkle import EMPTY_ROOT, Frontier, around, prefix_spans, root_of

# The eight inputs of the Certificate Transparency test suite, and the roots it publishes.
INPUTS = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def mth(data: list[bytes]) -> bytes:
    """MTH as RFC 6962, section 2.1, words it."""
    if not data:
        return sha256().digest()
    if len(data) == 1:
        return sha256(b"\0" + data[0]).digest()
    k = 1
    while k * 2 < len(data):
        k *= 2
    return sha256(b"\1" + mth(data[:k]) + mth(data[k:])).digest()


def subproof(m: int, data: list[bytes], b: bool) -> list[bytes]:  # noqa: FBT001 - RFC's own form
    """SUBPROOF as RFC 6962, section 2.1.2, words it."""
    if m == len(data):
        return [] if b else [mth(data)]
    k = 1
    while k * 2 < len(data):
        k *= 2
    if m <= k:
        return [*subproof(m, data[:k], b), mth(data[k:])]
    return [*subproof(m - k, data[k:], b=False), mth(data[:k])]


def leaves(count: int) -> list[bytes]:
    """Distinct inputs."""
    return [b"leaf %d" % number for number in range(count)]


def hashes(count: int) -> list[bytes]:
    """Their leaf hashes."""
    return [v.leaf_hash(data) for data in leaves(count)]


@pytest.mark.parametrize("size", range(1, 9))
def test_published_roots(size: int) -> None:
    """The roots over the first n test inputs are those that everybody publishes."""
    data = [bytes.fromhex(text) for text in INPUTS[:size]]
    assert root_of(map(v.leaf_hash, data)).hex() == ROOTS[size - 1]
    assert mth(data).hex() == ROOTS[size - 1]


def test_the_empty_root() -> None:
    """A tree without leaves has the hash of nothing as its root."""
    assert root_of([]) == EMPTY_ROOT == mth([])


@given(st.integers(0, 300))
def test_frontier_gives_the_root_of_the_recursion(size: int) -> None:
    """Appending one by one, with the frontier stored in between, gives MTH."""
    frontier = Frontier()
    for leaf in hashes(size):
        frontier = Frontier.load(frontier.size, frontier.dump())
        frontier.append(leaf)
    assert frontier.root() == mth(leaves(size))


def test_a_frontier_that_does_not_fit_its_size_is_refused() -> None:
    """A stored frontier of the wrong length is no tree."""
    with pytest.raises(ValueError, match="no frontier"):
        Frontier.load(3, b"\0" * 32)


def test_every_range_of_every_small_tree() -> None:
    """Each range of each tree up to 17 leaves gives the root, and no other leaf does."""
    for size in range(1, 18):
        data = hashes(size)
        for first in range(size):
            for count in range(size - first + 1):
                spans = around(first, count, size)
                proof = [root_of(data[low:high]) for low, high in spans]
                inside = iter(data[first : first + count])
                outside = iter(proof)
                assert v.range_root(first, count, size, inside, outside) == mth(leaves(size))
                assert next(outside, None) is None
                covered = sum(high - low for low, high in spans)
                assert covered == (size - count if count else size)


@given(st.integers(1, 200), st.data())
def test_inclusion_of_any_range(size: int, data: st.DataObject) -> None:
    """A range proof gives the root; with one leaf changed it does not."""
    first = data.draw(st.integers(0, size - 1))
    count = data.draw(st.integers(1, size - first))
    wrong = data.draw(st.integers(0, count - 1))
    every = hashes(size)
    proof = [root_of(every[low:high]) for low, high in around(first, count, size)]
    inside = every[first : first + count]
    assert v.range_root(first, count, size, iter(inside), iter(proof)) == mth(leaves(size))
    inside[wrong] = v.leaf_hash(b"another")
    assert v.range_root(first, count, size, iter(inside), iter(proof)) != mth(leaves(size))
    with pytest.raises(ValueError, match="fewer entries"):
        v.range_root(first, count, size, iter(inside[:-1]), iter(proof))


@given(st.integers(0, 120), st.data())
def test_consistency_of_any_two_sizes(n: int, data: st.DataObject) -> None:
    """The proof is the one RFC 6962 words; it connects the two roots and no others."""
    m = data.draw(st.integers(0, n))
    every, plain = hashes(n), leaves(n)
    proof = [root_of(every[low:high]) for low, high in prefix_spans(m, n)]
    assert proof == (subproof(m, plain, b=True) if m else [])
    old, new = mth(plain[:m]), mth(plain)
    assert v.consistent(m, n, old, new, proof)
    assert not v.consistent(m, n, old, new, [*proof, new])
    assert not v.consistent(m, n, v.leaf_hash(b"other"), new, proof)
    if 0 < m < n:
        assert not v.consistent(m, n, old, v.leaf_hash(b"other"), proof)
        assert not v.consistent(m, n, old, new, proof[:-1])
        swap = data.draw(st.integers(0, len(proof) - 1))
        changed = [*proof[:swap], v.leaf_hash(b"other"), *proof[swap + 1 :]]
        assert not v.consistent(m, n, old, new, changed)
    assert not v.consistent(n + 1, n, new, new, [])


def test_no_prefix_of_a_smaller_tree() -> None:
    """A larger tree is no prefix of a smaller one."""
    with pytest.raises(ValueError, match="no prefix"):
        prefix_spans(3, 2)
