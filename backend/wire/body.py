"""Read a request body whose decompressed size has a hard end, whatever the sender claims."""

import zlib
from collections.abc import AsyncIterator, Callable, Iterator

import anyio.to_thread
import zstandard

from backend.errors import DoorstepError, Malformed, TooLarge, UnsupportedMedia
from backend.wire.request_id import AnyRequest

MIB = 1024 * 1024
_SMALL = 64 * 1024
_ZSTD_WINDOW = 8 * MIB
# 64 blocks of 4 bytes may each stand for 128 KiB, so one step makes 8 MiB at the very most.
_ZSTD_STEP = 256

Refusal = Callable[[str], DoorstepError]


class BodyCorrupt(Malformed):
    """The body is not what its Content-Encoding says."""

    code = "body_corrupt"
    title = "The compressed body is damaged"


class EncodingUnsupported(UnsupportedMedia):
    """A Content-Encoding other than gzip, zstd or identity."""

    code = "encoding_unsupported"
    title = "The content encoding is not supported"


class CallerGone(Malformed):
    """The caller hung up in the middle of the body; nobody reads this answer."""

    code = "caller_gone"
    title = "The connection ended in the middle of the body"


async def read_body(request: AnyRequest, limit: int = MIB, refusal: Refusal = TooLarge) -> bytes:
    """Return the decompressed body.

    Raises:
        DoorstepError: what ``refusal`` makes (more than ``limit`` bytes), or the body is damaged.
    """
    coding = _coding(request)
    raw = await _receive(request, limit if coding == "identity" else _wire_limit(limit), refusal)
    if coding == "identity":
        return raw
    if len(raw) <= _SMALL and limit <= MIB:
        return inflate(raw, coding, limit, refusal)
    return await anyio.to_thread.run_sync(inflate, raw, coding, limit, refusal)


def inflate(raw: bytes, coding: str, limit: int, refusal: Refusal = TooLarge) -> bytes:
    """Decompress, never holding much more than ``limit`` bytes."""
    out = bytearray()
    pieces = _gunzip(raw, limit) if coding == "gzip" else _unzstd(raw)
    try:
        for piece in pieces:
            out += piece
            if len(out) > limit:
                raise refusal(f"more than {limit} bytes when decompressed")
    except (zlib.error, zstandard.ZstdError) as error:
        raise BodyCorrupt(f"not valid {coding}") from error
    return bytes(out)


def _coding(request: AnyRequest) -> str:
    named = request.headers.get("content-encoding", "identity").strip().lower() or "identity"
    coding = {"x-gzip": "gzip"}.get(named, named)
    if coding not in ("identity", "gzip", "zstd"):
        detail = "send it as it is, or with Content-Encoding gzip or zstd"
        raise EncodingUnsupported(detail, headers={"Accept-Encoding": "gzip, zstd"})
    return coding


def _wire_limit(limit: int) -> int:
    """Compression makes bytes that cannot be compressed a little longer."""
    return limit + limit // 100 + 1024


async def _receive(request: AnyRequest, limit: int, refusal: Refusal) -> bytes:
    if _announced(request) > limit:
        raise _unread(refusal, limit)
    out = bytearray()
    async for piece in pieces(request):
        out += piece
        if len(out) > limit:
            raise _unread(refusal, limit)
    return bytes(out)


def _unread(refusal: Refusal, limit: int) -> DoorstepError:
    """Nobody wants the rest, so the connection may not be used again: the caller must know."""
    error = refusal(f"more than {limit} bytes")
    error.headers["Connection"] = "close"
    return error


async def pieces(request: AnyRequest) -> AsyncIterator[bytes]:
    """Give the body as it arrives, not decoded.

    Raises:
        CallerGone: the connection ended before the body did.
    """
    more = True
    while more:
        event = await request.receive()
        if event["type"] == "http.disconnect":
            raise CallerGone
        if event["type"] == "http.request":
            yield event["body"]
            more = event["more_body"]


def _announced(request: AnyRequest) -> int:
    """What Content-Length claims; a claim only spares us the reading, the count decides."""
    text = request.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _gunzip(raw: bytes, limit: int) -> Iterator[bytes]:
    while raw:
        member = zlib.decompressobj(wbits=31)
        yield member.decompress(raw, limit + 1)
        if not member.eof:
            if not member.unconsumed_tail:
                raise zlib.error("ends before its end")
            yield member.decompress(member.unconsumed_tail, limit + 1)
        raw = member.unused_data


def _unzstd(raw: bytes) -> Iterator[bytes]:
    machine = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    view, at, frame = memoryview(raw), 0, None
    while at < len(raw):
        frame = frame or machine.decompressobj()
        step = view[at : at + _ZSTD_STEP]
        yield frame.decompress(bytes(step))
        at += len(step)
        if frame.eof:
            at -= len(frame.unused_data)
            frame = None
    if frame is not None:
        raise zstandard.ZstdError("ends before its end")
