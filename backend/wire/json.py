"""Bytes to a typed value, or a refusal that points at the fault (RFC 6901 pointers)."""

import re
from collections.abc import Iterator
from typing import TypeVar

import msgspec

from backend.errors import InputError, Malformed, TooLarge
from backend.wire.body import MIB, Refusal, read_body
from backend.wire.request_id import AnyRequest

T = TypeVar("T")


class JsonBroken(Malformed):
    """Not JSON at all: syntax, encoding or nesting."""

    code = "json_malformed"
    title = "The body is not JSON"


class InputInvalid(Malformed):
    """JSON, but not of the shape or range the contract asks for."""

    code = "input_invalid"
    title = "The input is not what is asked for"


async def read_json(
    request: AnyRequest, shape: type[T], limit: int = MIB, refusal: Refusal = TooLarge
) -> T:
    """Read a request's body as one value of ``shape``."""
    return decode(await read_body(request, limit, refusal), shape)


def decode(raw: bytes, shape: type[T]) -> T:
    """Decode strictly.

    Raises:
        JsonBroken: no JSON could be read.
        InputInvalid: it is JSON, but not a ``shape``; ``errors`` says where.
    """
    try:
        value = msgspec.json.decode(raw, type=shape)
        _refuse_nul(raw)
    except msgspec.ValidationError as error:
        raise InputInvalid(errors=[fault_of(error)]) from error
    except msgspec.DecodeError as error:
        raise JsonBroken(str(error)) from error
    except UnicodeDecodeError as error:
        raise JsonBroken("not valid UTF-8") from error
    except RecursionError as error:
        raise JsonBroken("nested too deeply") from error
    return value


def _refuse_nul(raw: bytes) -> None:
    """PostgreSQL keeps no NUL in text; say so here rather than fail there."""
    if b"\\u0000" not in raw:
        return
    for pointer, text in _strings(msgspec.json.decode(raw), ""):
        if "\0" in text:
            raise InputInvalid(errors=[InputError(pointer, "nul_character", "contains U+0000")])


def _strings(value: object, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strings(item, f"{pointer}/{index}")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield pointer, key
            yield from _strings(item, f"{pointer}/{escape(key)}")


def fault_of(error: msgspec.ValidationError) -> InputError:
    """Turn the decoder's one message into pointer, code and words."""
    message, _, path = str(error).partition(" - at `")
    pointer = pointer_of(path.rstrip("`"))
    if named := re.fullmatch(r"Object (?:missing required|contains unknown) field `(.*)`", message):
        pointer = f"{pointer}/{escape(named[1])}"
    return InputError(pointer, _code_of(message), message)


def pointer_of(path: str) -> str:
    """Turn ``$.a[0].b`` into ``/a/0/b``; beyond a nameless step the parent is the best we know."""
    pointer = ""
    for name, index in re.findall(r"\.([^.\[\]`]+)|\[([^\]]*)\]", path):
        if index == "...":
            break
        pointer += f"/{escape(name or index)}"
    return pointer


def escape(part: str) -> str:
    """Write one step of a pointer (RFC 6901 §3)."""
    return part.replace("~", "~0").replace("/", "~1")


_CODES = (
    (r"Object missing required field", "missing"),
    (r"Object contains unknown field", "unknown_member"),
    (r"Expected `\w+` of length", "wrong_length"),
    (r"Expected `\w+` matching", "wrong_format"),
    (r"Expected `[\w| ]+` (?:[<>]|that's)|Number out of range|Integer value out", "out_of_range"),
    (r"Invalid enum value|Invalid value", "unknown_value"),
    (r"Invalid|Timezone|Expected `\w+` with(?:out)? a timezone", "wrong_format"),
    (r"Expected `", "wrong_type"),
)


def _code_of(message: str) -> str:
    return next((code for pattern, code in _CODES if re.match(pattern, message)), "invalid")
