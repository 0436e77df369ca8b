"""What a driver may say: a mutation of every kind, and what no phone should ever send."""

import json
from collections.abc import Callable
from uuid import UUID

from tests.simulator.dice import Dice, Ids
from tests.simulator.phone import Json

Thing = tuple[str, Json, Json]

_METHODS = ("handed_over", "safe_place", "neighbour", "reception")
_REASONS = ("not_home", "refused", "damaged", "closed")
STOP_KINDS = {
    "stop.departed": 1,
    "stop.arrived": 4,
    "stop.delivered": 6,
    "stop.failed": 3,
    "stop.noted": 3,
    "stop.skipped": 1,
    "stop.corrected": 2,
    "code.presented": 2,
    "evidence.added": 2,
    "parcel.scanned": 1,
}
ROUTE_KINDS = {"route.started": 2, "route.finished": 1, "route.resequenced": 2}
NEW_KIND = ("stop.noted", 2)


def body_of(kind: str, dice: Dice, ids: Ids, earlier: str | None, code: str) -> Json:
    """Make a body of a kind about a stop; ``earlier`` is an event to refer to."""
    return _BODIES[kind](dice, earlier or str(ids.new()), code)


def _delivered(dice: Dice, _earlier: str, code: str) -> Json:
    body: Json = {"method": dice.pick(_METHODS), "parcels": []}
    if dice.chance(6):
        body["recipient"] = {"name": "E. Poe", "relation": "self"}
    if dice.chance(2):
        body["code"] = code
    if dice.chance(2):
        body["signature"] = {"strokes": [[[0, 0, 0], [50, 60, 400], [90, 10, 900]]]}
    return body


def _corrected(dice: Dice, earlier: str, _code: str) -> Json:
    becomes = dice.pick(
        (
            {"kind": "stop.failed", "body": {"reason": "not_home"}},
            {"kind": "stop.delivered", "body": {"method": "neighbour", "parcels": []}},
        )
    )
    return {"corrects": earlier, "reason": "pressed the wrong button", "becomes": becomes}


_BODIES: dict[str, Callable[[Dice, str, str], Json]] = {
    "stop.departed": lambda *_: {},
    "stop.arrived": lambda *_: {},
    "stop.delivered": _delivered,
    "stop.failed": lambda dice, *_: {
        "reason": dice.pick((*_REASONS, "bored")),
        **({"note": "nobody there"} if dice.chance(6) else {}),
    },
    "stop.noted": lambda dice, *_: {"text": f"note {dice.number(1, 99)}"},
    "stop.skipped": lambda *_: {"reason": "later"},
    "stop.corrected": _corrected,
    "code.presented": lambda dice, _, code: {"code": code if dice.chance(5) else "000000"},
    "evidence.added": lambda _, earlier, __: {"for": earlier},
    "parcel.scanned": lambda *_: {"barcode": "P-1", "purpose": "deliver"},
}


def named(sha256: str, size: int) -> Json:
    """Name a file as evidence."""
    return {"sha256": sha256, "kind": "signature", "size": size, "media_type": "application/json"}


def poison(dice: Dice, n: int, id_: str, stop: UUID | str) -> bytes:
    """Make a mutation that has a number and an id, and is broken otherwise."""
    good: Json = {"id": id_, "n": n, "kind": "stop.noted", "stop_id": str(stop)}
    bad: Json = dice.pick(
        (
            {"body": {"text": 5}},
            {"body": {"text": "x" * 1001}},
            {"body": {"text": "nul \0"}},
            {"stop_id": "not an id", "body": {"text": "x"}},
            {"kind": "stop.delivered", "body": {"method": "thrown", "parcels": []}},
            {"kind": "stop.failed", "body": None},
            {"base": -1, "body": {"text": "x"}},
            {"at": {"wall": 5}, "body": {"text": "x"}},
            {"kind": 7, "body": {}},
        )
    )
    return json.dumps({**good, **bad}).encode()


def unnumbered(dice: Dice, id_: str) -> bytes:
    """Make an element that has no number at all."""
    return dice.pick(
        (
            b"7",
            b'"text"',
            b"[]",
            json.dumps({"id": id_, "n": 1.5, "kind": "stop.noted"}).encode(),
            json.dumps({"id": id_, "n": 2**53, "kind": "stop.noted"}).encode(),
            json.dumps({"id": id_, "kind": "stop.arrived"}).encode(),
        )
    )
