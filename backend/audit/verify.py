"""Check a Doorstep audit bundle offline: one file, Python 3.11 and ``cryptography``, nothing else.

    python verify.py bundle.zip --key log.pub [--since checkpoint]

Exit 0: everything fits. 1: something in the bundle or the given checkpoint does not fit the key.
2: the key or a given file is not what it should be, or no proof connects ``--since``.
3: the bundle's tree is smaller than ``--since``.

A copy travels in every bundle, so this file imports nothing of ours; the modules that write the log
import hashing, formats and grammar from here, so that each exists once. Everything is parsed
strictly: a text is accepted only if writing its meaning again gives the same bytes. A lax parser
would let a changed byte pass wherever two texts mean the same.
"""

import argparse
import base64
import json
import re
import struct
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest, digest
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO, NamedTuple, NoReturn, TypeAlias, TypedDict, cast

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:  # a stranger's machine: say what is missing, and never exit 1 for it
    if __name__ != "__main__":
        raise
    sys.stderr.write("unverifiable: this needs the Python package `cryptography`\n")
    sys.exit(2)

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"

OK, UNFIT, UNREADABLE, STALE = 0, 1, 2, 3

MEMBERS = (
    "entries.jsonl",
    "range.json",
    "checkpoint",
    "proof.json",
    "openings.jsonl",
    "evidence.csv",
    "key.pub",
    "verify.py",
)
MAY_BE_LEFT_OUT = "openings.jsonl"
EVIDENCE_HEADER = "sha256,size,media_type,stop_id,verified_at"
INT_LIMIT = 2**53  # the integers that every JSON reader keeps exact
LINE_LIMIT = 1 << 20
SMALL_LIMIT = 1 << 16  # range, checkpoint, proof and key: far more than the largest real one
CHUNK = 1 << 18

# SHA-256 of the verify.py of earlier releases: bundles that carry one of them stay good.
EARLIER_VERIFIERS: frozenset[str] = frozenset()


class Unfit(Exception):
    """Exit 1: at this place, something does not fit."""

    def __init__(self, place: str, fact: str) -> None:
        super().__init__(f"{place}: {fact}")
        self.place, self.fact = place, fact


class Unreadable(Exception):
    """Exit 2: a given file is not what it should be, or no proof connects ``--since``."""


class Stale(Exception):
    """Exit 3: the bundle is older than the checkpoint one already has."""


class NotSigned(ValueError):
    """A checkpoint of the right form that this key did not sign."""


@contextmanager
def _at(place: str) -> Iterator[None]:
    """Give every parsing error inside the block the name of the place."""
    try:
        yield
    except ValueError as error:
        raise Unfit(place, str(error)) from error


# --- Hashing: RFC 6962, section 2.1 ---------------------------------------------------------------

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Hash a leaf."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash an inner node."""
    return sha256(b"\x01" + left + right).digest()


def split(size: int) -> int:
    """Return the largest power of two below ``size``: where MTH divides a tree."""
    return 1 << ((size - 1).bit_length() - 1)


def commitment(salt: bytes, value: str) -> str:
    """Commit to a personal value: it can be opened with the salt and forgotten without it."""
    return "c1:" + digest(salt, value.encode(), "sha256").hex()


# --- Proofs ---------------------------------------------------------------------------------------


def range_root(
    first: int, count: int, size: int, inside: Iterator[bytes], outside: Iterator[bytes]
) -> bytes:
    """Return the root of a tree, given the leaves of a range and the subtrees around it.

    Both are drawn from left to right, so the leaves may be a stream.
    """
    end = first + count

    def root(low: int, high: int) -> bytes:
        if high <= first or low >= end:
            return _draw(outside, "too few inclusion hashes")
        if high - low == 1:
            return _draw(inside, "fewer entries than range.json says")
        middle = low + split(high - low)
        left = root(low, middle)
        return node_hash(left, root(middle, high))

    return root(0, size) if size else EMPTY_ROOT


def _draw(hashes: Iterator[bytes], otherwise: str) -> bytes:
    for value in hashes:
        return value
    raise ValueError(otherwise)


def consistent(m: int, n: int, old: bytes, new: bytes, proof: list[bytes]) -> bool:
    """Tell whether the tree of size ``m`` and root ``old`` is a prefix of the other (RFC 6962)."""
    if m == 0:
        return old == EMPTY_ROOT and not proof
    rest = iter(proof)

    def roots(m: int, n: int, *, known: bool) -> tuple[bytes, bytes]:
        if m == n:
            same = old if known else _draw(rest, "too few consistency hashes")
            return same, same
        middle = split(n)
        if m <= middle:
            before, left = roots(m, middle, known=known)
            return before, node_hash(left, _draw(rest, "too few consistency hashes"))
        before, after = roots(m - middle, n - middle, known=False)
        left = _draw(rest, "too few consistency hashes")
        return node_hash(left, before), node_hash(left, after)

    try:
        return m <= n and roots(m, n, known=True) == (old, new) and next(rest, None) is None
    except ValueError:
        return False


# --- Canonical JSON: RFC 8785 without fractions ---------------------------------------------------


def _integer(text: str) -> int:
    if len(text) > 17 or abs(value := int(text)) >= INT_LIMIT:
        raise ValueError("an integer of 2^53 or more")
    return value


def _no_fraction(text: str) -> NoReturn:
    raise ValueError(f"{text[:20]} is not an integer")


_DECODER = json.JSONDecoder(
    parse_int=_integer, parse_float=_no_fraction, parse_constant=_no_fraction
)
_SORTED = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))
_UNSORTED = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _in_utf16_order(value: Json) -> Json:
    """Order members as RFC 8785 does, which differs from Python's order beyond U+FFFF."""
    if isinstance(value, list):
        return [_in_utf16_order(item) for item in value]
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return {name: _in_utf16_order(value[name]) for name in names}
    return value


def canonical(value: Json) -> bytes:
    """Write JSON as RFC 8785 does."""
    text = _SORTED.encode(value)
    if not text.isascii() and max(text) > "\uffff":
        text = _UNSORTED.encode(_in_utf16_order(value))
    return text.encode()


def read_canonical(data: bytes) -> Json:
    """Read JSON that is exactly in canonical form.

    Writing it again must give the same bytes: that refuses white space, duplicate and unordered
    members, and every second way to write a string or a number.

    Raises:
        ValueError: it is not in canonical form.
    """
    try:
        value = cast("Json", _DECODER.decode(data.decode()))
        same = canonical(value) == data
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not same:
        raise ValueError("not in canonical form (RFC 8785)")
    return value


def decode64(value: Json, length: int) -> bytes:
    """Read strict base64 of exactly ``length`` bytes: encoding again must give the same text."""
    if isinstance(value, str):
        data = base64.b64decode(value, validate=True)
        if len(data) == length and encode64(data) == value:
            return data
    raise ValueError(f"not the base64 of {length} bytes")


def encode64(data: bytes) -> str:
    """Write base64 (RFC 4648, section 4)."""
    return base64.b64encode(data).decode()


# --- Keys and checkpoints: C2SP signed-note and tlog-checkpoint -----------------------------------

_KEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})\n")
_NOTE = re.compile(
    rb"(([^\n]+)\n(0|[1-9][0-9]{0,15})\n([A-Za-z0-9+/]{43}=)\n)"
    rb"\n\xe2\x80\x94 ([^ \n]+) ([A-Za-z0-9+/]{91}=)\n"
)


@dataclass(frozen=True, slots=True)
class Key:
    """A verifier key: the log's name and its Ed25519 public key."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """The four bytes that name this key in signature lines."""
        return sha256(self.name.encode() + b"\n\x01" + self.public).digest()[:4]

    @property
    def text(self) -> str:
        """The C2SP verifier key and LF."""
        material = encode64(b"\x01" + self.public)
        return f"{self.name}+{self.id.hex()}+{material}\n"


def is_name(text: str) -> bool:
    """Tell whether a text may name a key: no spaces, no plus, nothing invisible."""
    return text.isprintable() and text != "" and " " not in text and "+" not in text


def read_key(data: bytes) -> Key:
    """Read a verifier key: ``name+hash+base64`` and LF.

    Raises:
        ValueError: it is not one, or its parts do not belong together.
    """
    match = _KEY.fullmatch(data.decode())
    if match is None or not is_name(match[1]):
        raise ValueError("not a verifier key")
    material = decode64(match[3], 33)
    key = Key(match[1], material[1:])
    if material[0] != 1 or key.id.hex() != match[2]:
        raise ValueError("not an Ed25519 verifier key, or its hash is wrong")
    return key


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the log signs: how many leaves it has, and their root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The signed part of the note."""
        return f"{self.origin}\n{self.size}\n{encode64(self.root)}\n"


def read_checkpoint(data: bytes, key: Key) -> Checkpoint:
    """Read a checkpoint that ``key`` signed.

    Raises:
        NotSigned: it has the right form but this key did not sign it.
        ValueError: it is not a checkpoint.
    """
    match = _NOTE.fullmatch(data)
    if match is None or int(match[3]) >= INT_LIMIT:
        raise ValueError("not a checkpoint with one Ed25519 signature")
    checkpoint = Checkpoint(match[2].decode(), int(match[3]), decode64(match[4].decode(), 32))
    signature = decode64(match[6].decode(), 68)
    if not (checkpoint.origin == match[5].decode() == key.name and signature[:4] == key.id):
        raise NotSigned("of another log or signed with another key")
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature[4:], match[1])
    except (InvalidSignature, ValueError) as error:
        raise NotSigned("the signature does not fit") from error
    return checkpoint


# --- Entries --------------------------------------------------------------------------------------


class Actor(TypedDict):
    """Who did it."""

    type: str
    id: str


class Entry(TypedDict):
    """The members every entry has."""

    n: int
    entity: str
    entity_id: str
    action: str
    change: dict[str, list[Json]]
    pii: dict[str, str]
    evidence: list[str]
    prev: str | None


ACTOR_TYPES = frozenset({"driver", "person", "customer", "system"})
_ALWAYS = frozenset(
    {"v", "id", "n", "entity", "entity_id", "action", "actor", "at", "change", "pii", "evidence"}
    | {"prev"}
)
_SOMETIMES = frozenset({"occurred", "request", "cause"})
_ENTRY = _ALWAYS | _SOMETIMES
_ACTOR = frozenset({"type", "id"})
_ACTOR_WITH_DEVICE = _ACTOR | {"device"}
_WORD = r"[a-z][a-z0-9_]*"
_DAY = r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_TIME = re.compile(
    _DAY + r"T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}(?:\d{3})?Z", re.ASCII
).fullmatch
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}").fullmatch
_SHA256 = re.compile(r"[0-9a-f]{64}").fullmatch
_COMMITMENT = re.compile(r"c1:[0-9a-f]{64}").fullmatch
_SOME_TEXT = re.compile(r".{1,1000}", re.DOTALL).fullmatch
_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]+/[a-z0-9.+-]+").fullmatch
_ENTITY = re.compile(_WORD).fullmatch
_ACTION = re.compile(rf"{_WORD}\.{_WORD}").fullmatch

Grammar: TypeAlias = "Callable[[str], re.Match[str] | None]"

_TEXTS: tuple[tuple[str, Grammar], ...] = (
    ("id", _UUID),
    ("entity", _ENTITY),
    ("entity_id", _SOME_TEXT),
    ("action", _ACTION),
    ("at", _TIME),
)
_OPTIONAL_TEXTS: tuple[tuple[str, Grammar], ...] = (
    ("occurred", _TIME),
    ("request", _SOME_TEXT),
    ("cause", _SOME_TEXT),
)


def _is(value: Json, grammar: Grammar) -> bool:
    return isinstance(value, str) and grammar(value) is not None


def _is_count(value: Json, low: int = 0) -> bool:
    return type(value) is int and value >= low


def _are(values: Iterable[Json], grammar: Grammar) -> bool:
    for value in values:  # noqa: SIM110 - `all` takes twice as long, a million times
        if not isinstance(value, str) or grammar(value) is None:
            return False
    return True


def _is_actor(value: Json) -> bool:
    return (
        isinstance(value, dict)
        and (value.keys() == _ACTOR or value.keys() == _ACTOR_WITH_DEVICE)
        and _are(value.values(), _SOME_TEXT)
        and value["type"] in ACTOR_TYPES
    )


def _is_change(value: Json) -> bool:
    if not isinstance(value, dict):
        return False
    for pair in value.values():  # noqa: SIM110 - as above
        if not isinstance(pair, list) or len(pair) != 2:
            return False
    return True


def _are_commitments(value: Json) -> bool:
    return isinstance(value, dict) and _are(value.values(), _COMMITMENT)


def _are_hashes(value: Json) -> bool:
    return isinstance(value, list) and _are(value, _SHA256)


_SHAPES: tuple[tuple[str, Callable[[Json], bool]], ...] = (
    ("v", lambda value: type(value) is int and value == 1),
    ("n", lambda value: _is_count(value, 1)),
    ("actor", _is_actor),
    ("change", _is_change),
    ("pii", _are_commitments),
    ("evidence", _are_hashes),
    ("prev", lambda value: value is None or _is(value, _SHA256)),
)


def read_entry(line: bytes) -> Entry:
    """Read an entry's sealed bytes.

    Raises:
        ValueError: they are not canonical JSON, or not an entry.
    """
    return as_entry(read_canonical(line))


def as_entry(value: Json) -> Entry:
    """Take a value for an entry.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, dict) or not _ALWAYS <= value.keys() <= _ENTRY:
        raise ValueError("not the members of an entry")
    for name, grammar in _TEXTS:
        text = value[name]
        if not isinstance(text, str) or grammar(text) is None:  # `_is`, in line: millions of times
            raise ValueError(f"{name} is malformed")
    for name, fits in _SHAPES:
        if not fits(value[name]):
            raise ValueError(f"{name} is malformed")
    if len(value) > len(_ALWAYS):
        for name, grammar in _OPTIONAL_TEXTS:
            if name in value and not _is(value[name], grammar):
                raise ValueError(f"{name} is malformed")
    return cast("Entry", value)


class Evidence(NamedTuple):
    """What an ``evidence.verified`` entry says: a row of evidence.csv."""

    sha256: str
    size: int
    media_type: str
    stop_id: str | None
    verified_at: str

    @property
    def row(self) -> bytes:
        """The line of evidence.csv, without LF. No value can hold a comma or a quote."""
        texts = (self.sha256, str(self.size), self.media_type, self.stop_id or "", self.verified_at)
        return ",".join(texts).encode()


def read_evidence(entry: Entry) -> Evidence | None:
    """Return what an ``evidence.verified`` entry says (the after-values of its change), or None.

    Raises:
        ValueError: it is such an entry and a column is missing or malformed.
    """
    if entry["action"] != "evidence.verified":
        return None
    after = {name: pair[1] for name, pair in entry["change"].items()}
    stop = after.get("stop_id")
    if not (
        _is(after.get("sha256"), _SHA256)
        and _is_count(after.get("size"))
        and _is(after.get("media_type"), _MEDIA_TYPE)
        and (stop is None or _is(stop, _UUID))
        and _is(after.get("verified_at"), _TIME)
    ):
        raise ValueError("an evidence.verified entry that does not say what was verified")
    return Evidence(*(after.get(name) for name in Evidence._fields))  # type: ignore[arg-type]


# --- The archive: one canonical form of ZIP -------------------------------------------------------

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_FIRST_DAY = 0x21  # 1980-01-01
_MADE_BY = 3 << 8 | 20
_FILE_MODE = 0o600 << 16
ARCHIVE_LIMIT = 2**32 - 1  # beyond it a ZIP needs extra fields
MEMBER_LIMIT = 2**16 - 1
_EVIDENCE_NAME = re.compile(r"evidence/[0-9a-f]{64}").fullmatch


def local_header(name: bytes, crc: int, size: int) -> bytes:
    """Write the header before a member's bytes."""
    return _LOCAL.pack(b"PK\x03\x04", 20, 0, 0, 0, _FIRST_DAY, crc, size, size, len(name), 0) + name


def central_header(name: bytes, crc: int, size: int, offset: int) -> bytes:
    """Write a member's line of the central directory."""
    times = (0, _FIRST_DAY)
    lengths = (len(name), 0, 0, 0, 0)
    fixed = _CENTRAL.pack(
        b"PK\x01\x02", _MADE_BY, 20, 0, 0, *times, crc, size, size, *lengths, _FILE_MODE, offset
    )
    return fixed + name


def end_record(count: int, size: int, offset: int) -> bytes:
    """Write the end of the central directory."""
    return _END.pack(b"PK\x05\x06", 0, 0, count, count, size, offset, 0)


@dataclass(frozen=True, slots=True)
class Member:
    """Where a member's bytes are."""

    offset: int
    size: int


@dataclass(slots=True)
class Archive:
    """A bundle's members; ``damage`` is the first deviation that still let us find them.

    Damage is kept back until the content was read, because the content often tells the line.
    """

    file: BinaryIO
    members: dict[str, Member] = field(default_factory=dict)
    damage: Unfit | None = None

    def mark(self, place: str, fact: str) -> None:
        """Remember the first deviation."""
        self.damage = self.damage or Unfit(place, fact)

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield a member's bytes; members may be read side by side."""
        member = self.members[name]
        position, end = member.offset, member.offset + member.size
        while position < end:
            self.file.seek(position)
            chunk = self.file.read(min(CHUNK, end - position))
            if not chunk:
                raise Unfit(name, "ends too early")
            position += len(chunk)
            yield chunk

    def lines(self, name: str) -> Iterator[bytes]:
        """Yield a member's lines without their LF."""
        rest = b""
        for chunk in self.chunks(name):
            *whole, rest = (rest + chunk).split(b"\n")
            yield from whole
            if len(rest) > LINE_LIMIT:
                raise Unfit(name, "a line is too long")
        if rest:
            raise Unfit(name, "the last line has no LF")

    def read(self, name: str, limit: int = SMALL_LIMIT) -> bytes:
        """Return a small member whole."""
        if self.members[name].size > limit:
            raise Unfit(name, "too long")
        return b"".join(self.chunks(name))


def open_archive(file: BinaryIO) -> Archive:
    """Walk through an archive from its first byte, and compare it with the one we would write.

    Raises:
        Unfit: its members cannot be told apart, or are not those of a bundle.
        Unreadable: it never was a ZIP.
    """
    if file.seek(0, 2) > ARCHIVE_LIMIT:
        raise Unfit("archive", "larger than a canonical ZIP can be")
    _refuse_other_files(file)
    archive = Archive(file)
    directory: list[bytes] = []
    file.seek(0)
    while (head := file.read(_LOCAL.size))[:4] == b"PK\x03\x04":
        directory.append(_walk_member(archive, head))
        if len(directory) > MEMBER_LIMIT:
            raise Unfit("archive", "more members than a canonical ZIP can hold")
    _check_names(list(archive.members))
    offset = file.tell() - len(head)
    central = b"".join(directory)
    expected = central + end_record(len(directory), len(central), offset)
    if head + file.read(len(expected) + 1) != expected:
        archive.mark("archive", "the central directory is not in canonical form")
    return archive


def _refuse_other_files(file: BinaryIO) -> None:
    """Tell a damaged bundle, which is unfit, from a file that never was a ZIP at all."""
    file.seek(0)
    start = file.read(4)
    file.seek(-min(file.seek(0, 2), 1 << 17), 2)
    if not b"PK\x03\x04".startswith(start) and b"PK\x05\x06" not in file.read():
        raise Unreadable("the bundle is not a ZIP archive")


def _walk_member(archive: Archive, head: bytes) -> bytes:
    """Pass over one member; return the line that the central directory must have for it."""
    file = archive.file
    start = file.tell() - len(head)
    if len(head) < _LOCAL.size:
        raise Unfit("archive", "ends within a header")
    *_, size, length, _ = _LOCAL.unpack(head)
    raw_name = file.read(min(length, 128))
    name = raw_name.decode("ascii", "backslashreplace")
    if name not in MEMBERS and not _EVIDENCE_NAME(name):
        raise Unfit("archive", f"{name!r} is not a member of a bundle")
    if name in archive.members:
        raise Unfit(name, "is there twice")
    archive.members[name] = Member(file.tell(), size)
    crc, left = 0, size
    while left and (chunk := file.read(min(CHUNK, left))):
        crc, left = zlib.crc32(chunk, crc), left - len(chunk)
    if left:
        raise Unfit(name, "ends too early")
    if head + raw_name != local_header(raw_name, crc, size):
        archive.mark(name, "does not fit its header, or the header is not in canonical form")
    return central_header(raw_name, crc, size, start)


def _check_names(names: list[str]) -> None:
    """Require all members in their order; openings may be left out, evidence is sorted."""
    expected = [name for name in MEMBERS if name != MAY_BE_LEFT_OUT or name in names]
    if names[: len(expected)] != expected:
        raise Unfit("archive", "members are missing or out of order")
    files = names[len(expected) :]
    if files != sorted(files):
        raise Unfit("archive", "evidence files are out of order")


# --- The bundle -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Span:
    """The range of leaves in a bundle."""

    first: int
    count: int
    tree_size: int


class Older(NamedTuple):
    """An older tree, and the proof that this one continues it."""

    size: int
    root: bytes
    proof: list[bytes]


class Opening(NamedTuple):
    """The value behind a commitment."""

    entry: int
    field: str
    salt: bytes
    value: str


def _members(value: Json, *names: str) -> list[Json]:
    """Return an object's members, which must be exactly these."""
    if not isinstance(value, dict) or value.keys() != set(names):
        raise ValueError(f"not an object of {', '.join(names)}")
    return [value[name] for name in names]


def _hashes(value: Json) -> list[bytes]:
    if isinstance(value, list):
        return [decode64(item, 32) for item in value]
    raise ValueError("not a list of hashes")


def read_span(data: bytes) -> Span:
    """Read range.json; an empty range starts at 0, so that there is one way to write it."""
    values = _members(read_canonical(data), "first", "count", "tree_size")
    if not all(_is_count(value) for value in values):
        raise ValueError("not three counts")
    first, count, size = cast("list[int]", values)
    if first + count > size or (first and not count):
        raise ValueError("not a range of leaves in this tree")
    return Span(first, count, size)


def read_proof(data: bytes) -> tuple[list[bytes], Older | None]:
    """Read proof.json."""
    inclusion, older = _members(read_canonical(data), "inclusion", "consistency_from")
    if older is None:
        return _hashes(inclusion), None
    size, root, proof = _members(older, "size", "root", "proof")
    if not _is_count(size):
        raise ValueError("the older size is not a count")
    return _hashes(inclusion), Older(cast("int", size), decode64(root, 32), _hashes(proof))


def read_opening(line: bytes) -> Opening:
    """Read a line of openings.jsonl."""
    entry, name, salt, value = _members(read_canonical(line), "entry", "field", "salt", "value")
    if not (_is_count(entry) and isinstance(name, str) and isinstance(value, str)):
        raise ValueError("not an opening")
    return Opening(cast("int", entry), name, decode64(salt, 16), value)


class _Openings:
    """Openings, drawn beside the entries: both are in leaf order, so neither is kept in memory."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = enumerate(lines, 1)
        self._last = (-1, "")
        self._next = self._draw()

    def _draw(self) -> Opening | None:
        for number, line in self._lines:
            self._place = f"openings.jsonl line {number}"
            with _at(self._place):
                opening = read_opening(line)
                if (opening.entry, opening.field) <= self._last:
                    raise ValueError("is there twice or out of order")
            self._last = (opening.entry, opening.field)
            return opening
        return None

    def fit(self, index: int, pii: dict[str, str]) -> None:
        """Open the commitments of this entry for which there are openings."""
        while self._next is not None and self._next.entry == index:
            _, name, salt, value = self._next
            with _at(self._place):
                if not compare_digest(pii.get(name, ""), commitment(salt, value)):
                    raise ValueError(f"does not open the entry's {name!r}")
            self._next = self._draw()

    def end(self) -> None:
        """Refuse openings of entries that are not in the range."""
        if self._next is not None:
            raise Unfit(self._place, "belongs to no entry of the range")


class _Ledger:
    """What the entries say together: each entity's chain, and the evidence that was verified."""

    def __init__(self, *, complete: bool) -> None:
        self._complete = complete  # the range starts with the log's first leaf
        self._heads: dict[tuple[str, str], tuple[int, bytes]] = {}  # newest n and leaf so far
        self.evidence: list[Evidence] = []

    def take(self, entry: Entry, leaf: bytes) -> None:
        """Take the next entry; it must continue its entity's chain."""
        key = (entry["entity"], entry["entity_id"])
        head = self._heads.get(key)
        self._heads[key] = (entry["n"], leaf)
        if head is None:
            if self._complete and entry["prev"] is not None:
                raise ValueError("an earlier entry of this entity is missing")
        elif entry["n"] != head[0] + 1 or entry["prev"] != head[1].hex():
            raise ValueError("does not follow its entity's previous entry")
        if verified := read_evidence(entry):
            self.evidence.append(verified)


Progress: TypeAlias = Callable[[int, int], None]


def _leaves(
    archive: Archive, span: Span, ledger: _Ledger, openings: _Openings, progress: Progress | None
) -> Iterator[bytes]:
    """Read and check the entries one by one; yield their leaf hashes."""
    for number, line in enumerate(archive.lines("entries.jsonl"), 1):
        try:
            entry = read_entry(line)
            leaf = leaf_hash(line)
            ledger.take(entry, leaf)
        except ValueError as error:
            raise Unfit(f"entries.jsonl line {number}", str(error)) from error
        openings.fit(span.first + number - 1, entry["pii"])
        if progress and number % 10_000 == 0:
            progress(number, span.count)
        yield leaf


def _check_entries(
    archive: Archive,
    span: Span,
    checkpoint: Checkpoint,
    inclusion: list[bytes],
    progress: Progress | None,
) -> _Ledger:
    """Stream the entries and openings, and require that they give the signed root."""
    has_openings = MAY_BE_LEFT_OUT in archive.members
    openings = _Openings(archive.lines(MAY_BE_LEFT_OUT) if has_openings else ())
    ledger = _Ledger(complete=span.first == 0)
    inside = _leaves(archive, span, ledger, openings, progress)
    outside = iter(inclusion)
    with _at("entries.jsonl"):
        root = range_root(span.first, span.count, span.tree_size, inside, outside)
        if next(inside, None) is not None:
            raise ValueError("more entries than range.json says")
    openings.end()
    if next(outside, None) is not None:
        raise Unfit("proof.json", "too many inclusion hashes")
    if root != checkpoint.root:
        raise Unfit("entries.jsonl", "entries and proof do not give the root that was signed")
    return ledger


def _check_evidence(archive: Archive, verified: list[Evidence]) -> None:
    """Compare evidence.csv with what the entries say, and each evidence file with its name."""
    rows = [EVIDENCE_HEADER.encode()]
    rows += [item.row for item in sorted(verified, key=lambda item: item.sha256)]
    pairs = zip_longest(rows, archive.lines("evidence.csv"))
    for number, (row, line) in enumerate(pairs, 1):
        if row != line:
            raise Unfit(f"evidence.csv line {number}", "is not what the entries say")
    sizes = {item.sha256: item.size for item in verified}
    for name in archive.members:
        if _EVIDENCE_NAME(name):
            _check_file(archive, name, sizes.get(name.removeprefix("evidence/")))


def _check_file(archive: Archive, name: str, size: int | None) -> None:
    if size is None:
        raise Unfit(name, "no entry of the range verified it")
    running = sha256()
    for chunk in archive.chunks(name):
        running.update(chunk)
    if running.hexdigest() != name.removeprefix("evidence/") or archive.members[name].size != size:
        raise Unfit(name, "is not the file that was verified")


def _check_verifier(archive: Archive) -> None:
    """Compare the copy in the bundle with this file; it is never run."""
    copy = archive.read("verify.py", LINE_LIMIT)
    if copy != own_source() and sha256(copy).hexdigest() not in EARLIER_VERIFIERS:
        raise Unfit("verify.py", "is not this verifier")


def own_source() -> bytes:
    """Return the bytes of this file."""
    return Path(__file__).read_bytes()


def _check_older(older: Older | None, checkpoint: Checkpoint) -> None:
    if older and not consistent(
        older.size, checkpoint.size, older.root, checkpoint.root, older.proof
    ):
        raise Unfit("proof.json", "the log does not continue the older tree it names")


def _connect(since: Checkpoint, now: Checkpoint, older: Older | None) -> None:
    """Require that the bundle's log continues the one whose checkpoint was given."""
    if since.size > now.size:
        raise Stale(f"the bundle's tree has {now.size} leaves, the checkpoint {since.size}")
    if since.size == now.size:
        fits = since.root == now.root
    elif since.size == 0:
        fits = since.root == EMPTY_ROOT
    elif older is None or older.size != since.size:
        raise Unreadable(f"no proof connects the checkpoint of size {since.size}")
    else:
        fits = since.root == older.root
    if not fits:
        raise Unfit("given checkpoint", "is of another history than the bundle")


def _read_since(data: bytes, key: Key) -> Checkpoint:
    """Read the given checkpoint: a damaged one does not fit, another file is unreadable."""
    try:
        return read_checkpoint(data, key)
    except NotSigned as error:
        raise Unfit("given checkpoint", str(error)) from error
    except ValueError as error:
        name = key.name.encode()
        if data.startswith(name + b"\n") or b"\n\xe2\x80\x94 " + name + b" " in data:
            raise Unfit("given checkpoint", str(error)) from error
        raise Unreadable("the given checkpoint is not a checkpoint") from error


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome; ``place`` is empty unless something does not fit."""

    code: int
    fact: str
    place: str = ""
    entries: int = 0
    tree_size: int = 0

    @property
    def text(self) -> str:
        """One line for a person."""
        word = ("ok", "does not fit", "unverifiable", "stale")[self.code]
        return f"{word}: {self.place + ': ' if self.place else ''}{self.fact}"


def verify(
    bundle: Path, key: bytes, since: bytes | None = None, *, progress: Progress | None = None
) -> Report:
    """Check a bundle against the content of a key file and, if given, of an older checkpoint.

    Never raises: what cannot be judged does not fit.
    """
    try:
        return _verify(bundle, key, since, progress)
    except Unfit as error:
        return Report(UNFIT, error.fact, error.place)
    except Stale as error:
        return Report(STALE, str(error))
    except (Unreadable, OSError) as error:
        return Report(UNREADABLE, str(error))
    except Exception as error:  # noqa: BLE001 - a stranger's file must not end in a traceback
        return Report(UNFIT, f"cannot be judged ({type(error).__name__})", "bundle")


def _verify(
    bundle: Path, key_data: bytes, since_data: bytes | None, progress: Progress | None
) -> Report:
    try:
        key = read_key(key_data)
    except ValueError as error:
        raise Unreadable(f"the key is not a verifier key: {error}") from error
    since = None if since_data is None else _read_since(since_data, key)
    with bundle.open("rb") as file:
        archive = open_archive(file)
        span, checkpoint, older = _check(archive, key, progress)
        if archive.damage:
            raise archive.damage
    if since:
        _connect(since, checkpoint, older)
    fresh = "continues the given checkpoint" if since else "freshness not proven without --since"
    where = f"leaves {span.first} to {span.first + span.count}" if span.count else "no leaves"
    fact = f"{span.count} entries, {where} of {span.tree_size} in {checkpoint.origin}; {fresh}"
    return Report(OK, fact, entries=span.count, tree_size=span.tree_size)


def _check(
    archive: Archive, key: Key, progress: Progress | None
) -> tuple[Span, Checkpoint, Older | None]:
    """Check everything in the bundle against the key."""
    if archive.read("key.pub") != key.text.encode():
        raise Unfit("key.pub", "is not the given key")
    with _at("checkpoint"):
        checkpoint = read_checkpoint(archive.read("checkpoint"), key)
    with _at("range.json"):
        span = read_span(archive.read("range.json"))
        if span.tree_size != checkpoint.size:
            raise ValueError("is about another tree than the checkpoint")
    with _at("proof.json"):
        inclusion, older = read_proof(archive.read("proof.json"))
    _check_older(older, checkpoint)
    ledger = _check_entries(archive, span, checkpoint, inclusion, progress)
    _check_evidence(archive, ledger.evidence)
    _check_verifier(archive)
    return span, checkpoint, older


def read_given(path: Path) -> bytes:
    """Return a key or checkpoint file; more than a small file is none.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(SMALL_LIMIT)


def main(arguments: list[str] | None = None) -> int:
    """Run the verifier from a command line."""
    parser = argparse.ArgumentParser(description="Check a Doorstep audit bundle.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--key", type=Path, required=True, help="the log's verifier key")
    parser.add_argument("--since", type=Path, help="a checkpoint of this log from earlier")
    given = parser.parse_args(arguments)
    try:
        key = read_given(given.key)
        since = read_given(given.since) if given.since else None
        report = verify(given.bundle, key, since)
    except OSError as error:
        report = Report(UNREADABLE, str(error))
    sys.stdout.write(report.text + "\n")
    return report.code


if __name__ == "__main__":
    sys.exit(main())
