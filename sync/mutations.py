"""From bytes to a mutation, or to the reason why not. Nothing in here fails."""

from hashlib import sha256
from uuid import UUID

import msgspec
import rfc8785
from msgspec import Struct

from backend.ids import parse_id
from backend.wire.canonical import canonical, quickly
from sync import split
from sync.kinds import About, Kind, about
from sync.words import BODIES, MAX_N, At, Body, Frame

_TOLD = 500
_KINDS = frozenset(Kind)


class Mutation(Struct, frozen=True):
    """A mutation that could be read: what, about what, when, with what."""

    kind: Kind
    kind_version: int
    frame: Frame
    body: Body


class Fault(Struct, frozen=True):
    """Why a mutation could not be read. ``held`` ones may be readable after an upgrade.

    ``at`` is what its clocks showed and ``frame`` what stands around its body, as far as that much
    can be read.
    """

    code: str
    detail: str
    held: bool = False
    at: At | None = None
    frame: Frame | None = None


class Heard(Struct, frozen=True):
    """One element of a batch as it arrived.

    ``hash`` is over the RFC 8785 bytes, or over the raw bytes where there are none. ``signed`` are
    the RFC 8785 bytes without ``sig``.
    """

    raw: bytes
    hash: bytes
    n: int | None
    id: UUID | None
    echo: str | None
    read: Mutation | Fault
    signed: bytes | None = None
    sig: str | None = None

    @property
    def kind(self) -> str | None:
        """The kind, where it is one we know."""
        return self.read.kind.value if isinstance(self.read, Mutation) else None


def hear(raw: bytes) -> Heard:
    """Read one element of a batch."""
    try:
        value = msgspec.json.decode(raw)
        written = quickly(value) or canonical(_as_doubles(value))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        return _unreadable(raw, str(error))
    if not isinstance(value, dict):
        fault = Fault("malformed", "a mutation is an object")
        return Heard(raw, sha256(raw).digest(), None, None, None, fault)
    signed, sig = _unsigned(value)
    id_ = value.get("id")
    return Heard(
        raw=raw,
        hash=sha256(written).digest(),
        n=_number(value.get("n")),
        id=parse_id(id_) if isinstance(id_, str) else None,
        echo=id_ if isinstance(id_, str) else None,
        read=_read(value),
        signed=signed,
        sig=sig,
    )


def told(why: object) -> str:
    """Word a refusal so that it can be kept: what was refused may stand in it."""
    return str(why).replace("\0", "\ufffd")[:_TOLD]


def _as_doubles(value: object) -> object:
    """RFC 8785 knows numbers as IEEE doubles only; larger integers are written as such."""
    match value:
        case bool():
            return value
        case int() if abs(value) > MAX_N:
            return _double(value)
        case dict():
            return {key: _as_doubles(item) for key, item in value.items()}
        case list():
            return [_as_doubles(item) for item in value]
        case _:
            return value


def _double(value: int) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError("a number beyond any double") from error


def _unsigned(value: dict[str, object]) -> tuple[bytes | None, str | None]:
    """Return the bytes that a signature is over, and the signature."""
    sig = value.get("sig")
    if not isinstance(sig, str):
        return None, None
    rest = {key: item for key, item in value.items() if key != "sig"}
    try:
        return canonical(rest), sig
    except rfc8785.CanonicalizationError:
        return None, sig


def _number(value: object) -> int | None:
    """A device's number: an integer from 1 to 2^53-1, nothing that merely looks like one."""
    return value if type(value) is int and 1 <= value <= MAX_N else None


def _unreadable(raw: bytes, why: str) -> Heard:
    """Something in it cannot be read at all; its number and id may still be."""
    number: object = None
    echo: object = None
    try:
        parts = split.members(raw)
        number, echo = _scalar(parts.get(b"n")), _scalar(parts.get(b"id"))
    except split.Unbalanced:
        pass
    text = echo if isinstance(echo, str) else None
    id_ = parse_id(text) if text else None
    fault = Fault("malformed", told(why.encode("ascii", "replace").decode()))
    return Heard(raw, sha256(raw).digest(), _number(number), id_, text, fault)


def _scalar(raw: bytes | None) -> object:
    """Read a number or a string that stands alone."""
    if raw is None or len(raw) > 1000 or raw[:1] in b"[{":
        return None
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _read(value: dict[str, object]) -> Mutation | Fault:
    if _number(value.get("n")) is None:
        return Fault("n_invalid", f"n is an integer from 1 to {MAX_N}")
    id_ = value.get("id")
    if not isinstance(id_, str) or parse_id(id_) is None:
        return Fault("malformed", "id is not a UUID - at `$.id`")
    kind, version = value.get("kind"), value.get("kind_version", 1)
    if not isinstance(kind, str) or type(version) is not int:
        return Fault("malformed", "kind is a string and kind_version an integer")
    if kind not in _KINDS or (Kind(kind), version) not in BODIES:
        why = "kept until an upgrade knows it"
        return Fault("unknown_kind", why, held=True, at=_at(value.get("at")))
    return _typed(Kind(kind), version, value)


def _at(value: object) -> At | None:
    try:
        return msgspec.convert(value, At)
    except (msgspec.ValidationError, ValueError, OverflowError, RecursionError):
        return None


def _typed(kind: Kind, version: int, value: dict[str, object]) -> Mutation | Fault:
    try:
        frame = msgspec.convert(value, Frame)
    except (msgspec.ValidationError, ValueError, OverflowError, RecursionError) as error:
        return Fault("malformed", _placed(told(error), "$"))
    try:
        body = read_body(kind, version, value.get("body", {}))
    except (msgspec.ValidationError, ValueError, OverflowError, RecursionError) as error:
        return Fault("malformed", _placed(told(error), "$.body"), frame=frame)
    if about(kind) is About.STOP and frame.stop_id is None:
        return Fault("malformed", "stop_id is missing - at `$.stop_id`")
    if about(kind) is About.ROUTE and frame.route_id is None:
        return Fault("malformed", "route_id is missing - at `$.route_id`")
    return Mutation(kind, version, frame, body)


def _placed(why: str, where: str) -> str:
    """Say where in the mutation; the decoder counts from what it was given."""
    words, found, path = why.rpartition(" - at `$")
    return f"{words} - at `{where}{path}" if found else f"{why} - at `{where}`"


def read_body(kind: Kind, version: int, value: object) -> Body:
    """Read a body of a known kind.

    Raises:
        msgspec.ValidationError: it is not one.
    """
    return msgspec.convert(value, BODIES[kind, version])
