"""Every refusal and every fault, rendered once as an RFC 9457 problem document."""

import logging
import re
from collections.abc import Mapping, Sequence

import msgspec
from litestar import Response
from litestar.exceptions import HTTPException, SerializationException
from litestar.types import ExceptionHandlersMap

from backend.errors import (
    DoorstepError,
    Forbidden,
    InputError,
    Malformed,
    NotFound,
    NotSignedIn,
    StateConflict,
    TooLarge,
    TooManyTries,
    Unavailable,
    UnsupportedMedia,
)
from backend.wire.outage import is_refused_value, will_pass
from backend.wire.request_id import AnyRequest, request_id

MEDIA_TYPE = "application/problem+json"
_log = logging.getLogger("doorstep.http")


class MethodNotAllowed(DoorstepError):
    """The path is known, the verb is not; ``Allow`` names those that are."""

    code = "method_not_allowed"
    status = 405
    title = "The method is not allowed here"


class Fault(msgspec.Struct, frozen=True):
    """One fault in the input, as the wire shows it."""

    pointer: str
    code: str
    detail: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem document (RFC 9457). ``errors`` is there for input faults only."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[Fault] = []


_BY_STATUS: dict[int, type[DoorstepError]] = {
    400: Malformed,
    401: NotSignedIn,
    403: Forbidden,
    404: NotFound,
    405: MethodNotAllowed,
    409: StateConflict,
    413: TooLarge,
    415: UnsupportedMedia,
    429: TooManyTries,
}


def exception_handlers() -> ExceptionHandlersMap:
    """Return what ``create_app`` plugs in: one handler that knows every kind of fault."""
    return {Exception: render, HTTPException: render}


def render(request: AnyRequest, error: Exception) -> Response[bytes]:
    """Answer a fault with its problem document."""
    return problem_response(noted(request, error), request_id(request.scope))


def noted(request: AnyRequest, error: Exception) -> DoorstepError:
    """Find the refusal that a fault amounts to; a fault of ours leaves a line in the log."""
    known = translate(error)
    if known.status >= 500:
        _note(request, known, error)
    return known


def problem_response(error: DoorstepError, request: str) -> Response[bytes]:
    """Write the document; text that is not valid Unicode is mended, never an error of its own."""
    body = Problem(
        type=f"urn:doorstep:error:{error.code}",
        title=error.title,
        status=error.status,
        detail=_clean(error.detail),
        code=error.code,
        request_id=request,
        errors=[Fault(_clean(e.pointer), e.code, _clean(e.detail)) for e in error.errors],
    )
    return Response(
        msgspec.json.encode(body),
        status_code=error.status,
        media_type=MEDIA_TYPE,
        headers={**_challenge(error.status), **error.headers, "Cache-Control": "no-store"},
    )


def _challenge(status: int) -> dict[str, str]:
    """A refusal for want of a token says what kind is asked for (RFC 9110 §11.6.1)."""
    return {"WWW-Authenticate": "Bearer"} if status == 401 else {}


def translate(error: BaseException) -> DoorstepError:
    """Find the refusal that a fault amounts to."""
    if isinstance(error, DoorstepError):
        return error
    if isinstance(error, HTTPException):
        return _of_framework(error)
    if isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        return translate(error.exceptions[0])
    if _is_hostile_text(error):
        return Malformed("the bytes are not valid text")
    if _is_hostile_json(error):
        return Malformed("the body is not valid JSON")
    if isinstance(error, RecursionError):
        return Malformed("nested too deeply")
    if is_refused_value(error):
        return Malformed("a value is out of the range that can be kept")
    if will_pass(error):
        return Unavailable("the store does not answer; send the same again shortly")
    return DoorstepError("the fault is logged under the request id")


def _is_hostile_text(error: BaseException) -> bool:
    # A multipart part may name a charset that Python does not have: a bare LookupError. Any other
    # one is a fault of ours.
    unknown_charset = type(error) is LookupError and str(error).startswith("unknown encoding")
    return isinstance(error, UnicodeError) or unknown_charset


def _is_hostile_json(error: BaseException) -> bool:
    # The same exception stands for an answer that we could not encode: that is our fault.
    reading = isinstance(error.__cause__, msgspec.DecodeError)
    return isinstance(error, SerializationException) and reading


def _of_framework(error: HTTPException) -> DoorstepError:
    if error.status_code >= 500:
        return DoorstepError("the fault is logged under the request id")
    kind = _BY_STATUS.get(error.status_code, Malformed)
    faults = _missing(error.detail) or _faults(error.extra)
    # The framework's own words quote the address, and what was asked with it.
    told = f"{faults[0].pointer}: {faults[0].detail}" if faults else error.detail
    known = kind(told, errors=faults)
    known.headers.update(error.headers or {})
    return known


def _missing(detail: str) -> list[InputError]:
    """Read which parameter the framework missed; it says so in words only."""
    named = re.match(r"Missing required (\w+) parameter '([^']+)'", detail)
    if named is None:
        return []
    return [InputError(f"/{named[2]}", "missing", f"{named[1]} parameter: missing")]


def _faults(extra: Mapping[str, object] | Sequence[object] | None) -> list[InputError]:
    """Read the framework's own list of faults in query, path and header parameters."""
    if not isinstance(extra, list):
        return []
    return [_fault(item) for item in extra if isinstance(item, dict)]


def _fault(item: Mapping[str, object]) -> InputError:
    key = str(item.get("key", "")).replace(".", "/")
    source = str(item.get("source", "") or "input").removeprefix("ParamType.").lower()
    message = str(item.get("message", "not accepted"))
    return InputError(f"/{key}" if key else "", "invalid", f"{source} parameter: {message}")


def _note(request: AnyRequest, known: DoorstepError, error: Exception) -> None:
    where = (request_id(request.scope), request.method, request.scope["path"])
    if known.status == 503:
        _log.warning("request %s %s %r: %s", *where, error)
    else:
        _log.error("request %s %s %r failed", *where, exc_info=error)


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
