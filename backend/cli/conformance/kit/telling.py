"""Section 2.1: kinds, numbers, and what is read of a mutation."""

import base64
from uuid import uuid4

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from backend.cli.conformance.kit.lab import Lab, as_bytes, check
from backend.cli.conformance.kit.phone import Phone
from backend.cli.conformance.kit.verdict import expect, expect_equal
from backend.cli.conformance.kit.wire import Json

TAKEN = ("applied", "conflict", "recorded")


def expect_taken(receipt: Json, what: str) -> None:
    """It could be read and stands somewhere."""
    expect(receipt["outcome"] in TAKEN, f"{what} to be one of {', '.join(TAKEN)}", receipt)


@check("2.1.1", "numbers count 1, 2, 3 …; acked_n goes with them")
def numbers(lab: Lab) -> None:
    """Three in one request."""
    stop = lab.phone.fresh_stop()["id"]
    reply = lab.phone.sync(*[lab.phone.note(stop) for _ in range(3)], pull=False)
    expect_equal(reply["acked_n"], lab.phone.n, "acked_n")
    expect_equal(reply["need_from"], None, "need_from")


@check("2.1.2", "every kind of version 1 is accepted")
def kinds(lab: Lab) -> None:
    """A whole visit with a correction, a failed one, and the route around them."""
    phone = lab.phone
    one, two = phone.fresh_stop(), phone.fresh_stop()
    ids = [stop["id"] for stop in phone.manifest() if stop["route_id"] == one["route_id"]]
    at, route = {"stop_id": one["id"], "base": one["version"]}, {"route_id": one["route_id"]}
    parcels = [{"parcel_id": each["id"], "outcome": "delivered"} for each in one["parcels"]]
    delivery = {"method": "handed_over", "parcels": parcels, "recipient": {"name": "E. Poe"}}
    delivered = phone.act("stop.delivered", {**delivery, "note": "conformance"}, **at)
    phone.n -= 1
    failed = {"kind": "stop.failed", "body": {"reason": _reason(phone)}}
    told = [
        phone.act("route.started", {"odometer_km": 7.5}, **route),
        phone.act("route.resequenced", {"stop_ids": ids}, **route),
        phone.act("stop.departed", **at),
        phone.act("stop.skipped", {"reason": "later"}, stop_id=two["id"]),
        phone.act("stop.arrived", fix={"lat": 39.3, "lon": -76.6, "accuracy_m": 8}, **at),
        phone.act("parcel.scanned", {"barcode": "1", "purpose": "deliver"}, **at),
        phone.note(one["id"]),
        {**delivered, "n": phone.n + 1},
    ]
    phone.n += 1
    told += [
        phone.act("evidence.added", {"for": delivered["id"]}, **at),
        phone.act(
            "stop.corrected",
            {"corrects": delivered["id"], "reason": "slip", "becomes": failed},
            **at,
        ),
        phone.act("stop.failed", {"reason": _reason(phone)}, stop_id=two["id"]),
    ]
    intents = {"route.resequenced", "stop.skipped"}
    for act, receipt in zip(told, phone.tell(*told), strict=True):
        if act["kind"] not in intents:
            expect_taken(receipt, act["kind"])
        expect(
            receipt["outcome"] not in ("held", "quarantined"), f"{act['kind']} to be known", receipt
        )


def _reason(phone: Phone) -> str:
    for put in phone.sync()["puts"]:
        if put["type"] == "reasons":
            return str(put["data"]["items"][0]["code"])
    return "not_home"


@check("2.1.3", "an unknown kind or version is held, and takes its number")
def unknown_kind(lab: Lab) -> None:
    """Judged after an upgrade."""
    stop = lab.phone.fresh_stop()["id"]
    odd = lab.phone.act("stop.levitated", stop_id=stop)
    newer = {**lab.phone.note(stop), "kind_version": 999}
    reply = lab.phone.sync(odd, newer, lab.phone.note(stop), pull=False)
    expect_equal([r["outcome"] for r in reply["receipts"]], ["held", "held", "applied"], "outcomes")
    expect_equal(reply["acked_n"], lab.phone.n, "acked_n")


@check(
    "2.1.4", "an n that is no integer from 1 to 2^53-1 is quarantined with n null, takes no number"
)
def odd_numbers(lab: Lab) -> None:
    """Between two that are right."""
    stop = lab.phone.fresh_stop()["id"]
    for n in (b'"1"', b"1.5", b"0", b"-1", b"true", b"null", b"9007199254740992", b"1e400"):
        first, last = lab.phone.note(stop), lab.phone.note(stop)
        odd = b'{"id": "%s", "n": %s, "kind": "stop.noted"}' % (str(uuid4()).encode(), n)
        reply = lab.phone.tell_raw(as_bytes(first), odd, as_bytes(last))
        told = [(r["outcome"], r["n"]) for r in reply["receipts"]]
        right = [("applied", first["n"]), ("quarantined", None), ("applied", last["n"])]
        expect_equal(told, right, f"outcomes and numbers around n = {n.decode()}")


@check("2.1.5", "members that nobody knows are ignored")
def strangers(lab: Lab) -> None:
    """At the top and in the body."""
    stop = lab.phone.fresh_stop()["id"]
    odd = lab.phone.act("stop.noted", {"text": "x", "mood": [1]}, stop_id=stop, weather={"a": None})
    expect_taken(lab.phone.tell(odd)[0], "it")


@check("2.1.6", "free text of up to 1,000 characters is taken, more is quarantined")
def long_text(lab: Lab) -> None:
    """Characters, not bytes."""
    stop = lab.phone.fresh_stop()["id"]
    fits, odd = lab.phone.note(stop, "ü" * 1000), lab.phone.note(stop, "x" * 1001)
    told = [receipt["outcome"] for receipt in lab.phone.tell(fits, odd)]
    expect_equal(told, ["applied", "quarantined"], "outcomes")


@check(
    "2.1.7", "where a key was enrolled, a missing or wrong sig is quarantined, signature_invalid"
)
def signatures(lab: Lab) -> None:
    """Signed over the RFC 8785 bytes without sig."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    phone = lab.enrolled(public_key=_b64(public))
    stop = phone.fresh_stop()["id"]
    unsigned, forged, signed = (phone.note(stop, "größer 7") for _ in range(3))
    forged["sig"] = _b64(bytes(64))
    signed["sig"] = _b64(key.sign(rfc8785.dumps(signed)))
    told = [(r["outcome"], r["code"]) for r in phone.tell(unsigned, forged, signed)]
    bad = ("quarantined", "signature_invalid")
    expect_equal(told, [bad, bad, ("applied", None)], "missing, forged, right")


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
