"""The envelope of a sync call: only ``mutations``, ``cursor`` and ``pull`` can fail a request."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from backend.errors import Malformed, TooLarge
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


def _slowly(raw: bytes) -> tuple[str | None, bool, bytes, list[bytes]]:
    """Something in it is broken; if that is inside one mutation, only that one shall fail."""
    try:
        members = split.members(raw)
        mutations = split.items(members.get(b"mutations", b"[]"))
        cursor = _cursor(members.get(b"cursor", b"null"))
        pull = msgspec.json.decode(members.get(b"pull", b"true"), type=bool)
    except (split.Unbalanced, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EnvelopeInvalid(str(error).encode("ascii", "replace").decode()[:200]) from error
    return cursor, pull, members.get(b"client", b"{}"), mutations


def _cursor(raw: bytes) -> str | None:
    """Read the cursor; text that no decoder takes is a cursor that was never ours."""
    try:
        return msgspec.json.decode(raw, type=str | None)
    except (msgspec.DecodeError, UnicodeDecodeError):
        if split.is_text(raw):
            return ""
        raise


def _client(raw: bytes) -> Client:
    try:
        return msgspec.json.decode(raw, type=Client)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Client()
