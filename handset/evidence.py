"""Photos and signatures on the phone: first a file under its own hash, then a mutation naming it.

A file leaves the phone only when the server has verified it and every mutation that names it is
acknowledged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from handset.disk import Disk, write_durably
from handset.wire import Body

_Points = Sequence[Sequence[tuple[float, float, float]]]
# Beyond this a signature travels as a file of its own and the mutation names its hash.
INLINE_STROKES = 8 * 1024


@dataclass(frozen=True, slots=True)
class Photo:
    """Bytes that prove something, as the camera or the pad gave them."""

    data: bytes
    media_type: str = "image/jpeg"
    kind: str = "photo"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def named(self) -> Body:
        """How a mutation names it."""
        return {
            "sha256": self.sha256,
            "kind": self.kind,
            "size": len(self.data),
            "media_type": self.media_type,
        }


@dataclass(frozen=True, slots=True)
class Strokes:
    """A signature as drawn: lines of (x, y, milliseconds)."""

    lines: _Points

    def body(self) -> Body:
        return {"strokes": [[list(point) for point in line] for line in self.lines]}

    def as_file(self) -> Photo:
        return Photo(msgspec.json.encode(self.body()), "application/json", "signature")

    @property
    def fits_inline(self) -> bool:
        return len(msgspec.json.encode(self.body())) <= INLINE_STROKES


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file the server has not verified yet."""

    sha256: str
    kind: str
    media_type: str
    size: int


class Shelf:
    """The files of one phone and what became of them."""

    def __init__(self, disk: Disk, folder: Path) -> None:
        self._disk = disk
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        return self._folder / sha256

    def keep(self, photo: Photo) -> str:
        """The file is on the disk before any mutation may name it."""
        sha256 = photo.sha256
        if not self.path(sha256).exists():
            write_durably(
                self.path(sha256),
                photo.data,
                synchronous=self._disk.synchronous,
                pulse=self._disk.pulse,
            )
        self._disk.db.execute(
            "INSERT INTO evidence (sha256, kind, media_type, size) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (sha256) DO UPDATE SET state = iif(state = 'freed', 'waiting', state)",
            (sha256, photo.kind, photo.media_type, len(photo.data)),
        )
        return sha256

    def name(self, sha256: str, mutation_id: str) -> None:
        self._disk.db.execute(
            "INSERT OR IGNORE INTO naming (sha256, mutation_id) VALUES (?, ?)",
            (sha256, mutation_id),
        )

    def waiting(self) -> list[Waiting]:
        """What is still to be uploaded: signatures first, then the smallest."""
        rows = self._disk.db.execute(
            "SELECT sha256, kind, media_type, size FROM evidence WHERE state = 'waiting'"
            " ORDER BY kind <> 'signature', size, sha256"
        )
        return [Waiting(*row) for row in rows]

    def refused(self) -> dict[str, str]:
        """Files the server will never take, with its reason: the driver has to take another."""
        rows = self._disk.db.execute(
            "SELECT sha256, coalesce(detail, '') FROM evidence WHERE state = 'refused'"
        )
        return {str(sha256): str(detail) for sha256, detail in rows}

    def mark(self, sha256: str, state: str, detail: str | None = None) -> None:
        self._disk.db.execute(
            "UPDATE evidence SET state = ?, detail = ? WHERE sha256 = ?", (state, detail, sha256)
        )

    def wanted(self, hashes: Sequence[str]) -> None:
        """The server asks for these: what we thought verified goes up again if still here."""
        self._disk.db.executemany(
            "UPDATE evidence SET state = 'waiting' WHERE sha256 = ? AND state = 'verified'",
            [(sha256,) for sha256 in hashes],
        )

    def free(self) -> int:
        """Delete files that are verified and named by acknowledged mutations only."""
        rows = self._disk.db.execute(
            "SELECT sha256 FROM evidence AS e WHERE state = 'verified'"
            " AND EXISTS (SELECT 1 FROM naming WHERE naming.sha256 = e.sha256)"
            " AND NOT EXISTS (SELECT 1 FROM naming JOIN journal ON journal.id = naming.mutation_id"
            " WHERE naming.sha256 = e.sha256 AND journal.state = 'pending')"
        ).fetchall()
        for (sha256,) in rows:
            self.mark(sha256, "freed")
            self.path(sha256).unlink(missing_ok=True)
        return len(rows)

    def wipe(self) -> None:
        for file in self._folder.iterdir():
            file.unlink(missing_ok=True)
