"""Policies: strict on the way in, the same on the way out, and rules that add up."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from backend.domain.reasons import EXCEPTION_REASONS, OVERRIDE_REASONS
from backend.domain.segment import (
    EvidenceKind,
    Level,
    Method,
    Outcome,
    Piece,
    PolicyInvalid,
    Requirement,
    Segment,
    parse_policy,
    parse_segments,
    policy_to_wire,
    proof_rules_to_wire,
    rules_for,
)

SEGMENTS = parse_segments((Path(__file__).parents[2] / "segments.toml").read_text())
BY_CODE = {segment.code: segment.policy for segment in SEGMENTS}


def wire(code: str = "premium") -> dict[str, Any]:
    """Return a policy as it travels, to be spoilt."""
    copied: dict[str, Any] = json.loads(json.dumps(policy_to_wire(BY_CODE[code])))
    return copied


def faults(raw: object) -> dict[str, str]:
    """Return pointer and code of every fault."""
    with pytest.raises(PolicyInvalid) as caught:
        parse_policy(raw)
    return {error.pointer: error.code for error in caught.value.errors}


def test_the_four_segments() -> None:
    """The file brings the four segments of the contract, all different."""
    assert [segment.code for segment in SEGMENTS] == ["premium", "standard", "business", "economy"]
    assert len({segment.policy for segment in SEGMENTS}) == 4


@pytest.mark.parametrize("segment", SEGMENTS, ids=lambda s: s.code)
def test_a_policy_survives_the_wire(segment: Segment) -> None:
    """Out as JSON and in again is the same policy."""
    assert parse_policy(wire(segment.code)) == segment.policy


@pytest.mark.parametrize("name", sorted(wire()))
def test_each_member_is_required(name: str) -> None:
    """Leaving any member out is a fault at its place."""
    raw = wire()
    del raw[name]
    assert faults(raw) == {f"/{name}": "missing"}


@pytest.mark.parametrize(
    "path",
    [
        (),
        *((name,) for name, value in wire().items() if isinstance(value, dict)),
        ("proof", 0),
        ("proof", 0, "when"),
        ("proof", 0, "require", 0),
    ],
)
def test_unknown_members_are_refused_at_every_depth(path: tuple[str | int, ...]) -> None:
    """A member nobody knows is told with its pointer, wherever it is."""
    raw: Any = wire()
    inner = raw
    for step in path:
        inner = inner[step]
    inner["surprise"] = 1
    pointer = "".join(f"/{step}" for step in (*path, "surprise"))
    assert faults(raw) == {pointer: "unknown_member"}


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("/priority", 101, "range"),
        ("/priority", -1, "range"),
        ("/priority", True, "type"),
        ("/priority", 5.5, "type"),
        ("/priority", 10**400, "range"),
        ("/label", "", "length"),
        ("/label", "x" * 81, "length"),
        ("/label", "a\x00b", "length"),
        ("/label", 5, "type"),
        ("/geofence_m", 0, "range"),
        ("/promise/cut_off", "25:00", "format"),
        ("/attempts/fallback", "shop", "choice"),
        ("/code/live", 1, "type"),
        ("/manifest/color", "url(x)", "format"),
        ("/manifest/show", ["Ab"], "format"),
        ("/tracking/actions", ["sell"], "choice"),
        ("/tracking/actions", ["dispute", "dispute"], "duplicate"),
        ("/notify/near", ["pigeon"], "choice"),
        ("/proof/0/on", [], "length"),
        ("/proof/0/on", ["lost"], "choice"),
        ("/proof/0/require/0/level", "must", "choice"),
        ("/proof/0/require/0/any_of", [], "length"),
        ("/proof/0/when/method", ["thrown"], "choice"),
        ("/proof", "all", "type"),
        ("/promise", 5, "type"),
    ],
)
def test_bounds(path: str, value: object, code: str) -> None:
    """Every number and text is bounded, every word comes from its vocabulary."""
    raw: Any = copy.deepcopy(wire())
    *steps, last = path.split("/")[1:]
    inner = raw
    for step in steps:
        inner = inner[int(step)] if step.isdigit() else inner[step]
    inner[last] = value
    assert faults(raw) == {path: code}


@pytest.mark.parametrize("raw", [None, [], "premium", 5])
def test_a_policy_is_an_object(raw: object) -> None:
    """Anything else is one fault, at the root."""
    assert faults(raw) == {"": "type"}


def test_all_faults_are_told_at_once() -> None:
    """One reading finds everything."""
    raw = wire()
    raw["priority"], raw["label"], raw["x"] = 101, "", 1
    assert set(faults(raw)) == {"/priority", "/label", "/x"}


def test_alternatives_are_words_or_pieces() -> None:
    """``any_of`` takes bare words, and objects where one is not enough."""
    raw = wire("economy")
    term = {"any_of": ["signature", {"evidence": "photo", "min": 2}], "level": "required"}
    raw["proof"][0]["require"] = [term]
    parsed = parse_policy(raw)
    pieces = (Piece(EvidenceKind.SIGNATURE), Piece(EvidenceKind.PHOTO, 2))
    assert parsed.proof[0].require == (Requirement(pieces, Level.REQUIRED),)
    assert policy_to_wire(parsed) == raw


def test_when_may_be_left_out() -> None:
    """An absent ``when`` is an empty one: it matches every case."""
    raw = wire("economy")
    del raw["proof"][0]["when"]
    assert parse_policy(raw) == BY_CODE["economy"]


def test_matching_rules_add_up() -> None:
    """Rules of the method and rules of all cases are both in force, in their order."""
    asked = rules_for(BY_CODE["premium"], Outcome.DELIVERED, Method.SAFE_PLACE)
    kinds = [requirement.any_of[0].evidence.value for requirement in asked]
    assert kinds == ["photo", "note", "fix", "scan"]
    assert asked[0].any_of[0].min == 2


def test_a_rule_for_a_reason_needs_that_reason() -> None:
    """Without the reason the rule has no say."""
    standard = BY_CODE["standard"]
    assert len(rules_for(standard, Outcome.FAILED, reason="damaged")) == 2
    assert len(rules_for(standard, Outcome.FAILED, reason="not_home")) == 1


def test_the_manifests_rules_are_by_outcome() -> None:
    """A stop carries its rules by outcome, each with ``when`` and ``require``."""
    rules: Any = proof_rules_to_wire(BY_CODE["economy"])
    photo = {"when": {}, "require": [{"evidence": "photo", "level": "required"}]}
    assert rules["delivered"] == [photo]
    assert rules["failed"][0]["require"][0]["evidence"] == "note"


def test_who_asks_for_a_code() -> None:
    """Premium does; a rule that takes a code is enough, live or not."""
    assert {code for code, policy in BY_CODE.items() if policy.asks_for_code} == {"premium"}
    raw = wire("economy")
    raw["proof"][0]["require"] = [{"evidence": "door_token", "level": "warn"}]
    assert parse_policy(raw).asks_for_code


def test_reasons_used_by_rules_exist() -> None:
    """No rule waits for a reason that nobody can give."""
    used = {reason for p in BY_CODE.values() for rule in p.proof for reason in rule.when.reason}
    assert used <= set(EXCEPTION_REASONS)


def test_override_reasons_cover_every_end() -> None:
    """There is a reason for each end an override can have, and each reason has a label."""
    ends = {end for reason in OVERRIDE_REASONS.values() for end in reason.to}
    assert ends == {"delivered", "failed", "cancelled", "released"}
    assert all(reason.label for reason in OVERRIDE_REASONS.values())
