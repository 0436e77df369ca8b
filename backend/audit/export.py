"""A bundle for a period: what compliance hands to a stranger. Its form is in contract and verifier.

Everything is read from one snapshot and written as it comes, so a bundle of any length needs little
memory. The checkpoint is signed over the snapshot's own tree, so no other writer can come between.
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from backend.audit.bundle import (
    BundleTooLargeError,
    BundleWriter,
    evidence_rows,
    opening_line,
    proof_text,
    range_text,
)
from backend.audit.checkpoint import Signer
from backend.audit.merkle import Frontier, around, prefix_spans
from backend.audit.seal import seal
from backend.audit.verify import (
    Evidence,
    Older,
    Opening,
    Span,
    decode64,
    own_source,
    read_entry,
    read_evidence,
)
from backend.blobs import Blobs
from backend.errors import InputError, Malformed
from backend.store import log
from backend.store.database import Database, Tx


class SinceUnknown(Malformed):
    """``since`` names a larger tree than ours."""

    code = "since_unknown"
    title = "The log has no tree of that size"


class ExportTooLarge(Malformed):
    """A bundle is at most 4 GiB and 65,535 files; ask for a shorter period."""

    code = "export_too_large"
    title = "The period holds too much for one bundle"


@dataclass(frozen=True, slots=True)
class Asked:
    """What to export: entries with ``start`` ≤ at < ``end``, proven to continue ``since``."""

    start: datetime
    end: datetime
    since: int | None = None
    evidence: bool = False


async def export(db: Database, signer: Signer, blobs: Blobs, asked: Asked, file: BinaryIO) -> Span:
    """Write the bundle of a period into an empty file; pending entries are sealed first.

    Raises:
        SinceUnknown: the tree was never as large as ``since``.
        ExportTooLarge: more than a bundle can hold.
    """
    await seal(db, signer)
    writer = BundleWriter(file)
    try:
        async with db.snapshot() as tx:
            span, verified = await _write_log(tx, signer, asked, writer)
        if asked.evidence:
            await _write_evidence(blobs, {item.sha256 for item in verified}, writer)
        writer.close()
    except BundleTooLargeError as error:
        raise ExportTooLarge(str(error)) from error
    return span


async def _write_log(
    tx: Tx, signer: Signer, asked: Asked, writer: BundleWriter
) -> tuple[Span, list[Evidence]]:
    """Write every member but the evidence files."""
    size, nodes = await log.tree(tx, signer.key.name)
    since = asked.since
    if since is not None and since > size:
        pointer = InputError("/since", "out_of_range", f"the log has {size} leaves")
        raise SinceUnknown(errors=[pointer])
    span = Span(*await log.range_of(tx, asked.start, asked.end, size), size)
    verified = await _write_entries(tx, span, writer)
    writer.add("range.json", range_text(span))
    note = signer.sign(size, Frontier.load(size, nodes).root())
    writer.add("checkpoint", note.encode())
    inclusion = await _roots(tx, around(span.first, span.count, size))
    older = None if since is None else await _older(tx, since, size)
    writer.add("proof.json", proof_text(inclusion, older))
    await _write_openings(tx, span, writer)
    with writer.member("evidence.csv") as write:
        for row in evidence_rows(verified):
            write(row)
    writer.add("key.pub", signer.key.text.encode())
    writer.add("verify.py", own_source())
    return span, verified


async def _write_entries(tx: Tx, span: Span, writer: BundleWriter) -> list[Evidence]:
    """Write the sealed bytes; return what evidence they say was verified."""
    verified: list[Evidence] = []
    with writer.member("entries.jsonl") as write:
        async for lines in log.sealed_lines(tx, span.first, span.first + span.count):
            for line in lines:
                write(line + b"\n")
                if b'"evidence.verified"' in line and (item := read_evidence(read_entry(line))):
                    verified.append(item)
    return verified


async def _write_openings(tx: Tx, span: Span, writer: BundleWriter) -> None:
    with writer.member("openings.jsonl") as write:
        async for index, fields in log.openings(tx, span.first, span.first + span.count):
            for name, (salt, value) in sorted(fields.items()):
                write(opening_line(Opening(index, name, decode64(salt, 16), value)))


async def _write_evidence(blobs: Blobs, hashes: Iterable[str], writer: BundleWriter) -> None:
    """Write the files that are still there; erased ones are left out."""
    for sha256 in sorted(hashes):
        if await blobs.size(sha256) is not None:
            with writer.member(f"evidence/{sha256}") as write:
                async for piece in blobs.read(sha256):
                    write(piece)


async def _older(tx: Tx, since: int, size: int) -> Older:
    (root,) = await _roots(tx, [(0, since)])
    return Older(since, root, await _roots(tx, prefix_spans(since, size)))


async def _roots(tx: Tx, spans: list[tuple[int, int]]) -> list[bytes]:
    """Compute the roots over spans of leaves from the stored leaf hashes."""
    return [await _root(log.leaf_hashes(tx, low, high)) for low, high in spans]


async def _root(batches: AsyncIterator[list[bytes]]) -> bytes:
    frontier = Frontier()
    async for leaves in batches:
        for leaf in leaves:
            frontier.append(leaf)
    return frontier.root()
