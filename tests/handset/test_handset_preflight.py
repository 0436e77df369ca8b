"""What a stop's rules still miss, before the driver leaves."""

import msgspec

from handset.manifest import Stop
from handset.preflight import Missing, count, missing

RULES = {
    "delivered": [
        {"when": {}, "require": [{"evidence": "photo", "level": "required", "min": 2}]},
        {
            "when": {"method": ["handed_over", "neighbour"]},
            "require": [
                {"any_of": ["signature", "code"], "level": "required"},
                {"evidence": "name", "level": "warn"},
            ],
        },
        {"when": {"method": "safe_place"}, "require": [{"evidence": "note", "level": "required"}]},
    ],
    "failed": [
        {"when": {"reason": "refused"}, "require": [{"evidence": "note", "level": "required"}]}
    ],
}
STOP = msgspec.convert(
    {"id": "s", "route_id": "r", "version": 1, "state": "released", "proof_rules": RULES}, Stop
)


def test_matching_rules_add_up() -> None:
    """The empty `when` and the one for the method both ask."""
    lacks = missing(STOP, "delivered", count(photos=1), method="handed_over")
    assert lacks == [
        Missing(("photo",), "required", have=1, need=2),
        Missing(("signature", "code"), "required"),
        Missing(("name",), "warn"),
    ]


def test_any_of_several_is_enough() -> None:
    """A code stands for the signature."""
    have = count(photos=2, code=True, name=True)
    assert missing(STOP, "delivered", have, method="neighbour") == []


def test_another_method_asks_for_other_things() -> None:
    """A safe place needs a note and no signature."""
    lacks = missing(STOP, "stop.delivered", count(photos=2), method="safe_place")
    assert [lack.any_of for lack in lacks] == [("note",)]


def test_reasons_narrow_failures() -> None:
    """Only a refusal asks for a note."""
    assert missing(STOP, "failed", count(), reason="not_home") == []
    assert missing(STOP, "failed", count(), reason="refused") == [Missing(("note",), "required")]


def test_a_fallback_may_stand_in() -> None:
    """`else` names what will do where none of the alternatives is to be had."""
    ask = {"any_of": ["code"], "level": "required", "else": ["photo", "note"]}
    stop = msgspec.convert(
        {
            "id": "s",
            "route_id": "r",
            "version": 1,
            "state": "arrived",
            "proof_rules": {"delivered": [{"require": [ask]}]},
        },
        Stop,
    )
    assert missing(stop, "delivered", count(photos=1, note=True)) == []
    assert missing(stop, "delivered", count(photos=1)) == [Missing(("code",), "required")]
