"""Sections 3 and 4: evidence by tus 1.0, positions, nudges, what is held."""

import base64
import hashlib
import json
import os
from uuid import uuid4

from backend.cli.conformance.kit.conventions import expect_problem
from backend.cli.conformance.kit.lab import Lab, as_bytes, check
from backend.cli.conformance.kit.phone import Phone
from backend.cli.conformance.kit.verdict import expect, expect_equal
from backend.cli.conformance.kit.wire import Answer

EVIDENCE = "/driver/v1/evidence"
BYTES = "application/offset+octet-stream"
TUS = {"Tus-Resumable": "1.0.0"}


def strokes() -> bytes:
    """A signature that nobody drew before, as a file."""
    points = [[float(i), float(b), i * 16.0] for i, b in enumerate(os.urandom(40))]
    return json.dumps({"strokes": [points]}).encode()


def announce(phone: Phone, data: bytes, media: str = "application/json", **more: str) -> Answer:
    """POST the metadata of a file; with ``Content-Type`` its bytes as well."""
    told = {"sha256": hashlib.sha256(data).hexdigest(), "kind": "signature", "media_type": media}
    pairs = ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in told.items())
    named = {name.replace("_", "-"): value for name, value in more.items()}
    headers = {**_bearer(phone), **TUS, "Upload-Length": str(len(data)), "Upload-Metadata": pairs}
    body = data if "Content-Type" in named else b""
    return phone.wire.ask("POST", EVIDENCE, body, {**headers, **named})


def patch(phone: Phone, sha: str, offset: int, data: bytes) -> Answer:
    """Append at an offset."""
    headers = {**_bearer(phone), **TUS, "Upload-Offset": str(offset), "Content-Type": BYTES}
    return phone.wire.ask("PATCH", f"{EVIDENCE}/{sha}", data, headers)


def offset(phone: Phone, sha: str) -> str | None:
    """Where the upload stands."""
    answer = phone.wire.ask("HEAD", f"{EVIDENCE}/{sha}", b"", {**_bearer(phone), **TUS})
    return answer.headers.get("upload-offset")


def state(phone: Phone, sha: str) -> object:
    """What became of a file."""
    return phone.get(f"{EVIDENCE}/{sha}/status").json.get("state")


def _bearer(phone: Phone) -> dict[str, str]:
    return {"Authorization": phone.headers["Authorization"]}


@check("3.1", "OPTIONS tells the version, the extensions and the largest size")
def options(lab: Lab) -> None:
    """As tus 1.0 wants it."""
    told = lab.wire.ask("OPTIONS", EVIDENCE, b"", _bearer(lab.phone)).headers
    expect_equal(told.get("tus-version"), "1.0.0", "Tus-Version")
    offered = set(told.get("tus-extension", "").replace(" ", "").split(","))
    wanted = {"creation", "creation-with-upload", "checksum", "termination"}
    expect(offered >= wanted, f"extensions {sorted(wanted)}", sorted(offered))
    expect(int(told.get("tus-max-size", "0")) >= 8 * 2**20, "Tus-Max-Size of 8 MiB or more", told)


@check(
    "3.2", "a file goes up in parts, resumed where HEAD says, and is verified with its last byte"
)
def parts(lab: Lab) -> None:
    """Announced, half, all."""
    phone, data = lab.phone, strokes()
    sha = hashlib.sha256(data).hexdigest()
    made = announce(phone, data)
    expect_equal(made.status, 201, "status")
    expect(made.headers.get("location", "").endswith(f"{EVIDENCE}/{sha}"), "Location", made.headers)
    expect_equal((offset(phone, sha), state(phone, sha)), ("0", "announced"), "offset and state")
    half = len(data) // 2
    first = patch(phone, sha, 0, data[:half])
    expect_equal((first.status, first.headers.get("upload-offset")), (204, str(half)), "first half")
    expect_equal(
        (offset(phone, sha), state(phone, sha)), (str(half), "partial"), "offset and state"
    )
    wrong = patch(phone, sha, 0, data[:half])
    expect_equal(wrong.status, 409, "status for a wrong offset")
    last = patch(phone, sha, half, data[half:])
    expect_equal((last.status, state(phone, sha)), (204, "verified"), "second half")


@check("3.3", "bytes may come with the announcement; verified ones are 201 with their length")
def at_once(lab: Lab) -> None:
    """Creation with upload, twice."""
    data = strokes()
    for what in ("at first", "again"):
        made = announce(lab.phone, data, **{"Content-Type": BYTES})
        told = (made.status, made.headers.get("upload-offset"))
        expect_equal(told, (201, str(len(data))), f"status and offset {what}")
    expect_equal(state(lab.phone, hashlib.sha256(data).hexdigest()), "verified", "state")


@check("3.4", "a wrong hash is 460, and the offset is 0 again")
def wrong_hash(lab: Lab) -> None:
    """Then the right bytes are taken."""
    phone, data = lab.phone, strokes()
    sha = hashlib.sha256(data).hexdigest()
    announce(phone, data)
    expect_equal(patch(phone, sha, 0, data[:-1] + b"x").status, 460, "status")
    expect_equal(offset(phone, sha), "0", "offset")
    expect_equal(patch(phone, sha, 0, data).status, 204, "status for the right bytes")


@check("3.5", "another driver's upload is neither visible nor usable: 404 evidence_not_found")
def foreign(lab: Lab) -> None:
    """Nor is one that nobody announced."""
    data = strokes()
    announce(lab.phone, data, **{"Content-Type": BYTES})
    for sha in (hashlib.sha256(data).hexdigest(), "ab" * 32):
        answer = lab.other.get(f"{EVIDENCE}/{sha}/status")
        expect_problem(answer, 404, "evidence_not_found")


@check("3.6", "too large is 413 and the wrong type 415, at the announcement")
def refused(lab: Lab) -> None:
    """Declared, so no byte need travel."""
    large = announce(lab.phone, b"x", **{"Upload-Length": str(512 * 2**20)})
    expect_equal(large.status, 413, "status of half a gigabyte")
    expect_equal(announce(lab.phone, strokes(), "image/gif").status, 415, "status of a GIF")


@check("3.7", "an unfinished upload can be terminated")
def terminated(lab: Lab) -> None:
    """DELETE; then it is not there."""
    data = strokes()
    sha = hashlib.sha256(data).hexdigest()
    announce(lab.phone, data)
    gone = lab.wire.ask("DELETE", f"{EVIDENCE}/{sha}", b"", {**_bearer(lab.phone), **TUS})
    expect_equal(gone.status, 204, "status")
    expect_problem(lab.phone.get(f"{EVIDENCE}/{sha}/status"), 404)


@check("4.1", "positions are taken by up to 500 in a batch: 202 {accepted}")
def positions(lab: Lab) -> None:
    """A batch, the same again, and too many."""
    at = lab.phone.sync(pull=False)["server_time"]
    fixes = [{"at": at, "lat": 39.3, "lon": -76.6, "accuracy_m": 5 + i} for i in range(3)]
    for _ in range(2):
        answer = lab.wire.ask(
            "POST", "/driver/v1/positions", as_bytes({"fixes": fixes}), lab.phone.headers
        )
        expect_equal((answer.status, answer.json.get("accepted")), (202, 3), "status and accepted")
    many = as_bytes({"fixes": fixes * 200})
    answer = lab.wire.ask("POST", "/driver/v1/positions", many, lab.phone.headers)
    expect_equal(answer.status, 400, "status of 600 fixes")


@check("4.2", "events are a stream of Server-Sent Events")
def events(lab: Lab) -> None:
    """Opened, and left."""
    status, media = lab.wire.opened("/driver/v1/events", _bearer(lab.phone))
    expect_equal((status, media.partition(";")[0]), (200, "text/event-stream"), "status and type")


@check("4.3", "have tells which mutations of this driver's devices are held")
def have(lab: Lab) -> None:
    """One that is, one that is not, one that is no id."""
    act = lab.phone.note(lab.phone.fresh_stop()["id"])
    lab.phone.tell(act)
    answer = lab.phone.get(f"/driver/v1/have?ids={act['id']},{uuid4()},x")
    expect_equal((answer.status, answer.json.get("have")), (200, [act["id"]]), "status and have")
    told = lab.other.get(f"/driver/v1/have?ids={act['id']}")
    expect_equal(told.json.get("have"), [], "what another driver is told")
