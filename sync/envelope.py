"""The envelope of a sync call: only ``mutations``, ``cursor`` and ``pull`` can fail a request."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from backend.errors import InputError, Malformed, TooLarge
from sync import split
from sync.words import Moment

MAX_BYTES = 256 * 1024
MAX_MUTATIONS = 200


class EnvelopeInvalid(Malformed):
    """Not an envelope, so there is no telling its mutations apart."""

    code = "envelope_invalid"
    title = "The sync envelope is not valid"


class BatchTooLarge(TooLarge):
    """More mutations or bytes than one request may hold; nothing was recorded."""

    code = "batch_too_large"
    title = "Send less at once: 200 mutations and 256 KiB"


class Client(Struct, frozen=True):
    """What the phone says of itself; never a reason to refuse anything."""

    app_version: Annotated[str, Meta(max_length=200, pattern=r"^[^\x00]*$")] | None = None
    wall: Moment | None = None
    monotonic_ms: float | None = None
    boot: Annotated[str, Meta(max_length=200)] | None = None
    pending: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    oldest_pending_at: Moment | None = None
    heard: Raw = Raw(b"null")


@dataclass(frozen=True, slots=True)
class Envelope:
    """A sync call: where the phone is, what it says of itself, and its mutations as bytes."""

    cursor: str | None
    pull: bool
    client: Client
    mutations: tuple[bytes, ...]


class _Quick(Struct):
    cursor: str | None = None
    pull: bool = True
    client: Raw = Raw(b"{}")
    mutations: list[Raw] = []


def open_envelope(raw: bytes) -> Envelope:
    """Read an envelope.

    Raises:
        EnvelopeInvalid: it is none.
        BatchTooLarge: more than 200 mutations.
    """
    try:
        quick = msgspec.json.decode(raw, type=_Quick)
        parts = (quick.cursor, quick.pull, bytes(quick.client), [bytes(m) for m in quick.mutations])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        parts = _slowly(raw)
    cursor, pull, client, mutations = parts
    if len(mutations) > MAX_MUTATIONS:
        raise BatchTooLarge(f"{len(mutations)} mutations")
    return Envelope(cursor, pull, _client(client), tuple(mutations))


_BROKEN = (split.Unbalanced, msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def _slowly(raw: bytes) -> tuple[str | None, bool, bytes, list[bytes]]:
    """Something in it is broken; if that is inside one mutation, only that one shall fail."""
    with _at(""):
        members = split.members(raw, strictly=True)
    with _at("/mutations"):
        mutations = _mutations(members.get(b"mutations", b"[]"))
    with _at("/cursor"):
        cursor = _cursor(members.get(b"cursor", b"null"))
    with _at("/pull"):
        pull = msgspec.json.decode(members.get(b"pull", b"true"), type=bool)
    return cursor, pull, members.get(b"client", b"{}"), mutations


@contextmanager
def _at(pointer: str) -> Iterator[None]:
    """Say where the envelope is none."""
    try:
        yield
    except _BROKEN as error:
        code = "wrong_type" if isinstance(error, msgspec.ValidationError) else "malformed"
        detail = str(error).encode("ascii", "replace").decode()[:200]
        raise EnvelopeInvalid(detail, errors=[InputError(pointer, code, detail)]) from error


def _mutations(raw: bytes) -> list[bytes]:
    if not raw.startswith(b"["):
        raise msgspec.ValidationError("Expected `array`")
    return split.items(raw)


def _cursor(raw: bytes) -> str | None:
    """Read the cursor; text that no decoder takes is a cursor that was never ours."""
    try:
        return msgspec.json.decode(raw, type=str | None)
    except (msgspec.DecodeError, UnicodeDecodeError):
        if split.is_text(raw):
            return ""
        raise


def _client(raw: bytes) -> Client:
    """Read what a phone says of itself; a member that cannot be read is one it did not send."""
    try:
        return msgspec.json.decode(raw, type=Client)
    except _BROKEN:
        return _legible_client(raw)


def _legible_client(raw: bytes) -> Client:
    """Read each member for itself, so that a wrong count costs nobody the phone's clocks."""
    client = Client()
    try:
        members = split.members(raw)
    except split.Unbalanced:
        return client
    for name in Client.__struct_fields__:
        try:
            one = msgspec.json.decode(_object(name, members[name.encode()]), type=Client)
        except (KeyError, *_BROKEN):
            continue
        client = msgspec.structs.replace(client, **{name: getattr(one, name)})
    return client


def _object(name: str, value: bytes) -> bytes:
    return b'{"%s":%s}' % (name.encode(), value)
