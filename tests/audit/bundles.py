"""A log in memory, bundles made of it, and bundles taken apart: what the verifier's tests share."""

import zipfile
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from uuid import UUID

from backend.audit import verify as v
from backend.audit.bundle import (
    BundleWriter,
    evidence_rows,
    opening_line,
    proof_text,
    range_text,
)
from backend.audit.checkpoint import Signer, signer
from backend.audit.entry import ActorRef, Entry, canonical
from backend.audit.merkle import around, prefix_spans, root_of

SIGNER = signer("doorstep.example/log", bytes(range(32)))
KEY = SIGNER.key.text.encode()
PHOTO = b"\xff\xd8 a photo, as far as the log can tell"


def uuid(number: int) -> str:
    """A readable id."""
    return str(UUID(int=number))


@dataclass
class Log:
    """Sealed lines in leaf order, and the openings of their commitments."""

    lines: list[bytes] = field(default_factory=list)
    openings: list[v.Opening] = field(default_factory=list)
    heads: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)

    def append(
        self,
        entity: str,
        entity_id: str,
        action: str,
        change: dict[str, list[v.Json]] | None = None,
        personal: dict[str, str] | None = None,
    ) -> None:
        """Append the entity's next entry."""
        index = len(self.lines)
        n, prev = self.heads.get((entity, entity_id), (0, None))
        pii = {}
        for name, value in sorted((personal or {}).items()):
            salt = sha256(f"{index} {name}".encode()).digest()[:16]
            pii[name] = v.commitment(salt, value)
            self.openings.append(v.Opening(index, name, salt, value))
        line = canonical(
            Entry(
                id=uuid(index + 1),
                n=n + 1,
                entity=entity,
                entity_id=entity_id,
                action=action,
                actor=ActorRef("driver", uuid(7), uuid(8)),
                at=f"2026-11-20T09:{index // 60 % 60:02d}:{index % 60:02d}.000Z",
                cause="mutation " + uuid(9),
                change=change or {"state": ["planned", "released"]},
                pii=pii,
                prev=prev,
            )
        )
        self.lines.append(line)
        self.heads[entity, entity_id] = (n + 1, v.leaf_hash(line).hex())

    def verified(self, content: bytes, stop: str | None = None) -> None:
        """Append the entry that says that a piece of evidence was verified."""
        change: dict[str, list[v.Json]] = {
            "sha256": [None, sha256(content).hexdigest()],
            "size": [None, len(content)],
            "media_type": [None, "image/jpeg"],
            "verified_at": [None, "2026-11-20T09:30:00.000Z"],
        }
        if stop:
            change["stop_id"] = [None, stop]
        self.append("evidence", uuid(1000 + len(self.lines)), "evidence.verified", change)

    def hashes(self) -> list[bytes]:
        """The leaf hashes."""
        return [v.leaf_hash(line) for line in self.lines]

    def roots(self, spans: list[tuple[int, int]]) -> list[bytes]:
        """The roots over spans of leaves."""
        leaves = self.hashes()
        return [root_of(leaves[low:high]) for low, high in spans]

    def note(self, size: int | None = None, by: Signer = SIGNER) -> bytes:
        """The checkpoint over the first ``size`` leaves."""
        leaves = self.hashes()[:size]
        return by.sign(len(leaves), root_of(leaves)).encode()

    def members(
        self,
        first: int = 0,
        count: int | None = None,
        since: int | None = None,
        files: tuple[bytes, ...] = (),
    ) -> dict[str, bytes]:
        """The members of a good bundle over a range of the log."""
        size = len(self.lines)
        span = v.Span(first, size - first if count is None else count, size)
        end = first + span.count
        lines = self.lines[first:end]
        older = None
        if since is not None:
            root = root_of(self.hashes()[:since])
            older = v.Older(since, root, self.roots(prefix_spans(since, size)))
        evidence = [item for line in lines if (item := v.read_evidence(v.read_entry(line)))]
        members = {
            "entries.jsonl": b"".join(line + b"\n" for line in lines),
            "range.json": range_text(span),
            "checkpoint": self.note(),
            "proof.json": proof_text(self.roots(around(first, span.count, size)), older),
            "openings.jsonl": b"".join(
                opening_line(item) for item in self.openings if first <= item.entry < end
            ),
            "evidence.csv": b"".join(evidence_rows(evidence)),
            "key.pub": KEY,
            "verify.py": v.own_source(),
        }
        named = {f"evidence/{sha256(content).hexdigest()}": content for content in files}
        return members | dict(sorted(named.items()))


def small_log(stops: int = 3) -> Log:
    """A log with every kind of thing in it: chains, personal data, evidence."""
    log = Log()
    for number in range(stops):
        stop = uuid(100 + number)
        log.append("stop", stop, "stop.planned")
        log.append(
            "consignment",
            uuid(200 + number),
            "consignment.imported",
            {"city": [None, "Zürich"], "parcels": [None, 2]},
            {"recipient_name": f"Zoë {number} \U0001f4e6", "postcode": "8001"},
        )
        log.append("stop", stop, "stop.delivered", {"state": ["released", "delivered"]})
        log.verified(PHOTO + bytes([number]), stop if number else None)
    return log


def pack(members: dict[str, bytes]) -> bytes:
    """Write an archive in canonical form, whatever its members say."""
    file = BytesIO()
    writer = BundleWriter(file)
    for name, data in members.items():
        writer.add(name, data)
    writer.close()
    return file.getvalue()


def pack_with_zipfile(members: dict[str, bytes]) -> bytes:
    """Write the same archive with Python's own library."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return file.getvalue()


def check(folder: Path, bundle: bytes, key: bytes = KEY, since: bytes | None = None) -> v.Report:
    """Verify a bundle given as bytes."""
    path = folder / "bundle.zip"
    path.write_bytes(bundle)
    return v.verify(path, key, since)
