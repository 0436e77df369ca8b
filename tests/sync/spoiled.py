"""Mutations spoiled one field at a time, as bytes: no encoder would write all of them."""

import json
import random
from collections.abc import Iterator
from typing import Any

from tests.sync.golden_cases import golden_cases

Json = dict[str, Any]
Path = tuple[str | int, ...]

# Raw JSON, some of it none at all. No value is a number that a phone might truly have meant.
VALUES: dict[str, bytes] = {
    "null": b"null",
    "true": b"true",
    "zero": b"0",
    "negative": b"-1",
    "fraction": b"0.5",
    "beyond doubles": b"1e999",
    "beyond everything": b"9" * 4000,
    "two to the 53rd": b"9007199254740992",
    "minus two to the 63rd": b"-9223372036854775809",
    "empty text": b'""',
    "a word": b'"x"',
    "long text": b'"' + b"y" * 9000 + b'"',
    "NUL": b'"a\\u0000b"',
    "a lone surrogate": b'"\\ud800"',
    "surrogates the wrong way round": b'"\\udfff\\ud800"',
    "bytes of no text": b'"\xff\xfe"',
    "an unfinished escape": b'"\\x"',
    "a list": b"[]",
    "a list of everything": b'[null, 1, "", {}, [[]]]',
    "an object": b"{}",
    "an object of everything": b'{"\\u0000": [1e400], "": {"": null}}',
    "deep lists": b"[" * 3000 + b"]" * 3000,
    "deep objects": b'{"a":' * 3000 + b"1" + b"}" * 3000,
    "not JSON": b"NaN",
    "a key twice": b'{"a": 1, "a": {"a": 2, "a": 3}}',
}


def whole() -> dict[str, Json]:
    """Return, by kind, the golden mutation that says all it can."""
    return {
        golden.kind: golden.envelopes[-1 if golden.kind != "device.lost_events" else 1]
        for golden in golden_cases()
        if golden.case["name"] == "all that it can say"
    }


def fields(value: object, path: Path = ()) -> Iterator[Path]:
    """Walk every member and item, containers before what they hold."""
    if path:
        yield path
    if isinstance(value, dict):
        for name, item in value.items():
            yield from fields(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value[:2]):
            yield from fields(item, (*path, index))


def spoilt(mutation: Json, path: Path, value: bytes) -> bytes:
    """Return the mutation's bytes with raw bytes where one field was."""
    mark = f"mark-{random.Random(1).getrandbits(64)}"
    return json.dumps(_with(mutation, path, mark)).encode().replace(f'"{mark}"'.encode(), value)


def twice(mutation: Json, name: str, first: bytes) -> bytes:
    """Return the mutation's bytes with a member in front that comes again; the last one counts."""
    return (
        b"{" + json.dumps(name).encode() + b":" + first + b"," + json.dumps(mutation).encode()[1:]
    )


def _with(value: object, path: Path, item: object) -> object:
    if not path:
        return item
    step, rest = path[0], path[1:]
    if isinstance(value, list):
        return [_with(old, rest, item) if i == step else old for i, old in enumerate(value)]
    assert isinstance(value, dict)
    return {name: _with(old, rest, item) if name == step else old for name, old in value.items()}
