"""Writing a bundle: the one canonical form of its ZIP, and the text of its small members.

Members are written as they come, so a bundle of any length needs the memory of one entry. The form
is the plainest ZIP there is; Python's ``zipfile`` writes the same bytes for members of that date.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO
from zlib import crc32

from backend.audit.verify import (
    ARCHIVE_LIMIT,
    EVIDENCE_HEADER,
    MEMBER_LIMIT,
    Evidence,
    Json,
    Older,
    Opening,
    Span,
    canonical,
    central_header,
    encode64,
    end_record,
    local_header,
)

Write = Callable[[bytes], None]


class BundleTooLargeError(ValueError):
    """More than a ZIP without extra fields can hold: 4 GiB or 65,535 members."""


class BundleWriter:
    """Writes members to a seekable file, one after the other."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._directory: list[bytes] = []

    @contextmanager
    def member(self, name: str) -> Iterator[Write]:
        """Open a member; what is given to the yielded function becomes its content.

        Raises:
            BundleTooLargeError: the archive would need another form of ZIP.
        """
        raw_name, start = name.encode("ascii"), self._file.tell()
        self._file.write(local_header(raw_name, 0, 0))
        crc, size = 0, 0

        def write(data: bytes) -> None:
            nonlocal crc, size
            crc, size = crc32(data, crc), size + len(data)
            if start + size > ARCHIVE_LIMIT:
                raise BundleTooLargeError("the bundle would be larger than 4 GiB")
            self._file.write(data)

        yield write
        end = self._file.tell()
        self._file.seek(start)
        self._file.write(local_header(raw_name, crc, size))
        self._file.seek(end)
        self._directory.append(central_header(raw_name, crc, size, start))

    def add(self, name: str, data: bytes) -> None:
        """Write a small member whole."""
        with self.member(name) as write:
            write(data)

    def close(self) -> None:
        """Write the central directory; the file itself stays open.

        Raises:
            BundleTooLargeError: the archive would need another form of ZIP.
        """
        offset, directory = self._file.tell(), b"".join(self._directory)
        end = end_record(len(self._directory), len(directory), min(offset, ARCHIVE_LIMIT))
        too_long = offset + len(directory) + len(end) > ARCHIVE_LIMIT
        if too_long or len(self._directory) > MEMBER_LIMIT:
            raise BundleTooLargeError("the bundle would be larger than 4 GiB or 65,535 members")
        self._file.write(directory + end)


def range_text(span: Span) -> bytes:
    """Write range.json."""
    return canonical({"first": span.first, "count": span.count, "tree_size": span.tree_size})


def proof_text(inclusion: list[bytes], older: Older | None) -> bytes:
    """Write proof.json."""
    since: Json = older and {
        "size": older.size,
        "root": encode64(older.root),
        "proof": [encode64(item) for item in older.proof],
    }
    return canonical(
        {"inclusion": [encode64(item) for item in inclusion], "consistency_from": since}
    )


def opening_line(opening: Opening) -> bytes:
    """Write a line of openings.jsonl; they are sorted by entry, then field."""
    salt = encode64(opening.salt)
    members: dict[str, Json] = {"entry": opening.entry, "field": opening.field}
    return canonical(members | {"salt": salt, "value": opening.value}) + b"\n"


def evidence_rows(verified: Iterable[Evidence]) -> Iterator[bytes]:
    """Write evidence.csv: a row per ``evidence.verified`` entry, by hash, then in leaf order."""
    yield EVIDENCE_HEADER.encode() + b"\n"
    for item in sorted(verified, key=lambda item: item.sha256):
        yield item.row + b"\n"
