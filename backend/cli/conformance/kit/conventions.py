"""Section 0: what holds for every call."""

import gzip
import json
from collections.abc import Callable

import zstandard

from backend.cli.conformance.kit.lab import JSON, Lab, as_bytes, check
from backend.cli.conformance.kit.phone import SYNC
from backend.cli.conformance.kit.verdict import expect, expect_equal
from backend.cli.conformance.kit.wire import Answer

ENCODED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstandard.compress,
}


def expect_problem(answer: Answer, status: int, code: str | None = None) -> None:
    """A problem document of RFC 9457, with this status and, if given, this code."""
    expect_equal(answer.status, status, "status")
    media = answer.headers.get("content-type", "").partition(";")[0]
    expect_equal(media, "application/problem+json", "Content-Type")
    for member in ("type", "title", "status", "code", "request_id"):
        expect(member in answer.json, f"a member {member}", answer)
    if code is not None:
        expect_equal(answer.code, code, "code")


@check("0.1", "errors are problem documents with a code and a request_id")
def errors(lab: Lab) -> None:
    """An address that is not there, and a body that is no JSON."""
    expect_problem(lab.wire.ask("GET", "/driver/v1/nothing-of-this-name"), 404)
    expect_problem(lab.wire.ask("POST", "/driver/v1/devices", b"{", JSON), 400)


@check("0.2", "a body of more than 1 MiB is 413 body_too_large")
def too_large(lab: Lab) -> None:
    """Compressed, it counts as what it becomes."""
    body = gzip.compress(b'{"fixes": []' + b" " * 2_000_000 + b"}")
    headers = {**lab.phone.headers, "Content-Encoding": "gzip"}
    expect_problem(
        lab.wire.ask("POST", "/driver/v1/positions", body, headers), 413, "body_too_large"
    )


@check("0.3", "bodies may be sent as gzip and as zstd")
def compressed_requests(lab: Lab) -> None:
    """Each holds one act, and both are taken."""
    stop = lab.phone.fresh_stop()["id"]
    for coding, pack in ENCODED.items():
        body = as_bytes({"pull": False, "mutations": [lab.phone.note(stop)]})
        answer = lab.phone.post(pack(body), Content_Encoding=coding)
        expect_equal(answer.status, 200, f"status for {coding}")
        expect_equal(answer.json.get("acked_n"), lab.phone.n, "acked_n")


@check("0.4", "replies over 1 KiB are compressed if Accept-Encoding allows, and only then")
def compressed_replies(lab: Lab) -> None:
    """A snapshot, asked for in three ways."""
    plain = lab.phone.post(b"{}", Accept_Encoding="identity")
    expect("content-encoding" not in plain.headers, "no Content-Encoding", plain.headers)
    for coding, magic in (("gzip", b"\x1f\x8b"), ("zstd", b"\x28\xb5\x2f\xfd")):
        packed = lab.phone.post(b"{}", Accept_Encoding=coding)
        expect_equal(packed.headers.get("content-encoding"), coding, "Content-Encoding")
        expect(packed.body.startswith(magic), f"a body that is {coding}", packed.body[:8])


@check("0.5", "the schema is OpenAPI 3.1 as application/json; health answers")
def schema_and_health(lab: Lab) -> None:
    """For people and machines that look on."""
    schema = lab.wire.ask("GET", "/schema", headers={"Accept": "application/json"})
    expect_equal(
        schema.headers.get("content-type", "").partition(";")[0], "application/json", "type"
    )
    expect(str(json.loads(schema.body).get("openapi")).startswith("3.1"), "openapi 3.1", schema)
    for path in ("/health/live", "/health/ready"):
        expect_equal(lab.wire.ask("GET", path).status, 200, path)


@check("0.6", "without a token every call below is 401")
def no_token(lab: Lab) -> None:
    """No token, and one that nobody gave out."""
    for headers in (JSON, {**JSON, "Authorization": "Bearer nobody.gave.this"}):
        expect_problem(lab.wire.ask("POST", SYNC, b"{}", headers), 401)
