"""Sections 2.3 to 2.5: entities, the door, codes."""

import base64
import hashlib
from uuid import UUID

from backend.cli.conformance.kit.lab import Lab, check
from backend.cli.conformance.kit.round import Secrets
from backend.cli.conformance.kit.signing_in import MOMENT
from backend.cli.conformance.kit.verdict import NotTried, expect, expect_equal
from backend.cli.conformance.kit.wire import Json

ROUTE = ("id", "version", "date", "depot", "vehicle", "shift", "state", "stop_ids", "released_at")
STOP = (
    "id", "route_id", "sequence", "version", "state", "proof", "attempt", "segment", "priority",
    "eta", "window", "service_s", "place", "contact", "parcels", "instructions", "actions",
    "policy_version", "proof_rules", "door",
)  # fmt: skip


@check("2.3", "a snapshot holds routes, stops, reasons and settings of the described form")
def entities(lab: Lab) -> None:
    """Members, and the order of the route."""
    puts = lab.phone.sync()["puts"]
    kinds = {put["type"] for put in puts}
    expect(kinds >= {"route", "stop", "reasons", "settings"}, "all four types", kinds)
    for put in puts:
        expect(isinstance(put["v"], int), "v to be an integer", put["v"])
        needed = {"route": ROUTE, "stop": STOP, "reasons": ("items",), "settings": ("photo",)}
        missing = [name for name in needed.get(put["type"], ()) if name not in put["data"]]
        expect_equal(missing, [], f"members that a {put['type']} lacks")
    stops = {put["id"]: put["data"] for put in puts if put["type"] == "stop"}
    for route in (put["data"] for put in puts if put["type"] == "route"):
        listed = [id_ for id_ in route["stop_ids"] if id_ in stops]
        places = [stops[id_]["sequence"] for id_ in listed]
        expect_equal(places, sorted(places), "sequence along stop_ids")
    some = next(iter(stops.values()))
    expect(MOMENT.fullmatch(some["eta"]), "eta as RFC 3339 with milliseconds", some["eta"])


def _door(lab: Lab, place: int) -> tuple[Json, Secrets]:
    """A stop that has a door, and what its customer holds."""
    doors = [
        (stop, held)
        for stop in lab.phone.manifest()
        if stop["door"] and (held := lab.round.doors.get(stop["id"])) and held.qr and held.code
    ]
    if len(doors) <= place:
        raise NotTried(
            "needs `doors`: codes and QR texts of three stops that have a door;"
            " docs/sync-protocol.md (Try it) has a script that finds them"
        )
    return doors[place]


@check("2.4", "door.commitment is the hash of label, stop and token; the QR holds both")
def commitment(lab: Lab) -> None:
    """Computed as a phone does, with no network."""
    stop, held = _door(lab, 0)
    text = str(held.qr)
    expect(text.startswith("DS1:"), "DS1: in front", text[:4])
    coded = text[4:]
    raw = base64.b32decode(coded + "=" * (-len(coded) % 8))
    expect_equal((len(raw), str(UUID(bytes=raw[:16]))), (32, stop["id"]), "length and stop")
    said = b"doorstep-door-v1\0" + stop["id"].encode("ascii") + b"\0" + raw[16:]
    expect_equal(stop["door"]["commitment"], hashlib.sha256(said).hexdigest(), "commitment")


def _findings(receipt: Json) -> set[str]:
    return {found["code"] for found in receipt["findings"]}


def _delivery(lab: Lab, stop: Json, **more: str) -> Json:
    parcels = [{"parcel_id": each["id"], "outcome": "delivered"} for each in stop["parcels"]]
    body = {"method": "handed_over", "parcels": parcels, "recipient": {"name": "E. Poe"}, **more}
    return lab.phone.act("stop.delivered", body, stop_id=stop["id"], base=stop["version"])


@check("2.5.1", "a wrong code never undoes a delivery: it applies, with the finding code_wrong")
def wrong_code(lab: Lab) -> None:
    """Later the right one still proves."""
    stop, held = _door(lab, 0)
    receipt = lab.phone.tell(_delivery(lab, stop, code=_other(str(held.code))))[0]
    expect_equal(
        (receipt["outcome"], receipt["stop"]["state"]), ("applied", "delivered"), "receipt"
    )
    expect("code_wrong" in _findings(receipt), "finding code_wrong", receipt["findings"])
    later = lab.phone.act("code.presented", {"code": held.code}, stop_id=stop["id"])
    expect_equal(lab.phone.tell(later)[0]["outcome"], "applied", "the right code, later")


@check("2.5.2", "wrong codes are counted: recorded code_wrong, from the fifth on code_locked")
def locked(lab: Lab) -> None:
    """And then the right one is not compared any more."""
    stop, held = _door(lab, 1)
    wrong = {"code": _other(str(held.code))}
    acts = [lab.phone.act("code.presented", wrong, stop_id=stop["id"]) for _ in range(5)]
    acts.append(lab.phone.act("code.presented", {"code": held.code}, stop_id=stop["id"]))
    told = [(receipt["outcome"], receipt["code"]) for receipt in lab.phone.tell(*acts)]
    right = [("recorded", "code_wrong")] * 4 + [("recorded", "code_locked")] * 2
    expect_equal(told, right, "receipts")


@check("2.5.3", "a door token proves, and is spent once")
def token(lab: Lab) -> None:
    """In a delivery; then again."""
    stop, held = _door(lab, 2)
    again = lab.phone.act
    first = _delivery(lab, stop, door_token=str(held.qr))
    told = lab.phone.tell(
        first, again("code.presented", {"door_token": held.qr}, stop_id=stop["id"])
    )
    expect_equal(told[0]["outcome"], "applied", "the delivery")
    expect(_findings(told[0]).isdisjoint({"code_missing", "door_token_wrong"}), "no such finding",
           told[0]["findings"])  # fmt: skip
    expect_equal(told[1]["code"], "door_token_spent", "the second time")


def _other(code: str) -> str:
    return str((int(code) + 1) % 10 ** len(code)).zfill(len(code))
