"""The producing side of the Merkle tree (RFC 6962): append, root, and which subtrees a proof needs.

A tree is kept as its frontier, the roots of its perfect subtrees from left to right: at most one
hash per bit of its size. Proofs are spans of leaves; whoever holds the leaf hashes turns each span
into a root. The checking side is in ``verify``, which travels with every bundle.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from backend.audit.verify import EMPTY_ROOT, node_hash, split

__all__ = ["EMPTY_ROOT", "Frontier", "around", "prefix_spans", "root_of"]

HASH_BYTES = 32

Span = tuple[int, int]


@dataclass(slots=True)
class Frontier:
    """A tree that leaves can be appended to."""

    size: int = 0
    nodes: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        if len(self.nodes) != self.size.bit_count():
            raise ValueError(f"{len(self.nodes)} nodes are no frontier of {self.size} leaves")

    @classmethod
    def load(cls, size: int, data: bytes) -> "Frontier":
        """Read a stored frontier."""
        nodes = [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]
        return cls(size, nodes)

    def dump(self) -> bytes:
        """Write the frontier to be stored."""
        return b"".join(self.nodes)

    def append(self, leaf: bytes) -> None:
        """Append a leaf hash, joining the perfect subtrees that it completes."""
        below = self.size
        while below & 1:
            leaf = node_hash(self.nodes.pop(), leaf)
            below >>= 1
        self.nodes.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the root, which joins the perfect subtrees from right to left."""
        if not self.nodes:
            return EMPTY_ROOT
        root = self.nodes[-1]
        for node in reversed(self.nodes[:-1]):
            root = node_hash(node, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes, in one pass and O(log n) memory."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


def around(first: int, count: int, size: int) -> list[Span]:
    """Return the maximal subtrees outside a range, left to right: an inclusion proof of a range."""
    end = first + count

    def spans(low: int, high: int) -> Iterator[Span]:
        if high <= first or low >= end:
            yield (low, high)
        elif not (first <= low and high <= end):
            middle = low + split(high - low)
            yield from spans(low, middle)
            yield from spans(middle, high)

    return list(spans(0, size)) if size else []


def prefix_spans(m: int, n: int) -> list[Span]:
    """Return the subtrees that prove the first ``m`` leaves to be a prefix (RFC 6962, 2.1.2)."""

    def spans(m: int, low: int, high: int, *, known: bool) -> Iterator[Span]:
        if m == high - low:
            if not known:
                yield (low, high)
            return
        middle = low + split(high - low)
        if m <= middle - low:
            yield from spans(m, low, middle, known=known)
            yield (middle, high)
        else:
            yield from spans(m - (middle - low), middle, high, known=False)
            yield (low, middle)

    if not 0 <= m <= n:
        raise ValueError(f"a tree of {m} leaves is no prefix of one of {n}")
    return list(spans(m, 0, n, known=True)) if m else []
