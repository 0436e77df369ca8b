"""The verdict: every state it can reach, and why."""

from dataclasses import replace
from pathlib import Path

import pytest

from backend.domain.segment import (
    EvidenceKind,
    Level,
    Method,
    Outcome,
    Piece,
    Policy,
    Requirement,
    Rule,
    Segment,
    When,
    parse_segments,
)
from backend.domain.stop import ProofState
from pod.evidence import Check, DoorFacts, Evidence, Exhibit, ExhibitState, FixFacts
from pod.verdict import Verdict, judge

K = EvidenceKind
LOADED = parse_segments((Path(__file__).parents[2] / "segments.toml").read_text())
SEGMENTS = {s.code: s.policy for s in LOADED}
PHOTO = Exhibit(K.PHOTO, "a" * 64, ExhibitState.SOUND)
SECOND_PHOTO = replace(PHOTO, key="b" * 64)
SIGNATURE = Exhibit(K.SIGNATURE, "c" * 64, ExhibitState.SOUND)
HERE = FixFacts(12.0, 8.0, mock=False)


def delivered(
    policy: Policy, evidence: Evidence, method: Method = Method.HANDED_OVER, *, late: bool = False
) -> Verdict:
    """Judge a delivery."""
    return judge(policy, Outcome.DELIVERED, method, None, evidence, late=late)


def asking(*require: Requirement) -> Policy:
    """Return a policy with one rule for every delivery."""
    rule = Rule((Outcome.DELIVERED,), When(), require)
    return replace(SEGMENTS["standard"], proof=(rule,))


def needs(kind: K, level: Level = Level.REQUIRED, least: int = 1) -> Requirement:
    """Return a requirement of one piece."""
    return Requirement((Piece(kind, least),), level)


def test_nothing_asked_is_no_proof() -> None:
    """A policy without rules leaves the proof at none, whatever was shown."""
    assert delivered(asking(), Evidence((PHOTO,))).state is ProofState.NONE


def test_optional_alone_is_no_proof_and_no_finding() -> None:
    """What is optional and absent is not worth a word."""
    verdict = delivered(asking(needs(K.PHOTO, Level.OPTIONAL)), Evidence())
    assert verdict == Verdict(ProofState.NONE)


def test_missing_photo_is_awaited_then_refused() -> None:
    """A missing photo may come until the time for it is over."""
    policy = SEGMENTS["economy"]
    soon, over = delivered(policy, Evidence()), delivered(policy, Evidence(), late=True)
    assert (soon.state, over.state) == (ProofState.AWAITED, ProofState.REFUSED)
    assert [(f.code, f.severity) for f in soon.findings] == [("photo_missing", Level.REQUIRED)]


@pytest.mark.parametrize(
    ("state", "finding"),
    [
        (ExhibitState.AWAITED, "photo_awaited"),
        (ExhibitState.CORRUPT, "photo_corrupt"),
        (ExhibitState.BLANK, "photo_blank"),
    ],
)
def test_unsound_photo_says_why(state: ExhibitState, finding: str) -> None:
    """A photo that is named but not usable is told apart from none."""
    verdict = delivered(SEGMENTS["economy"], Evidence((replace(PHOTO, state=state),)))
    assert (verdict.state, verdict.codes) == (ProofState.AWAITED, frozenset({finding}))


def test_same_photo_twice_counts_once() -> None:
    """Two photos are two different pictures, not one named twice."""
    policy = asking(needs(K.PHOTO, least=2))
    assert delivered(policy, Evidence((PHOTO, PHOTO))).state is ProofState.AWAITED
    assert delivered(policy, Evidence((PHOTO, SECOND_PHOTO))).state is ProofState.ACCEPTED


def test_photo_remarks_do_not_refuse() -> None:
    """A dark photo is accepted with a warning."""
    dark = replace(PHOTO, warnings=("dark",))
    verdict = delivered(SEGMENTS["economy"], Evidence((dark,)))
    assert verdict.state is ProofState.ACCEPTED
    assert [(f.code, f.severity) for f in verdict.findings] == [("photo_dark", Level.WARN)]


def test_any_alternative_is_enough() -> None:
    """Standard takes a photo or a signature for goods handed over."""
    policy = SEGMENTS["standard"]
    for exhibit in (PHOTO, SIGNATURE):
        shown = Evidence((exhibit,), fix=HERE)
        assert delivered(policy, shown) == Verdict(ProofState.ACCEPTED)


def test_code_or_token_proves() -> None:
    """Either the right code or the right token satisfies premium."""
    for door in (DoorFacts(code=Check.RIGHT), DoorFacts(token=Check.RIGHT)):
        shown = Evidence(door=door, name="A. Poe", fix=HERE)
        assert delivered(SEGMENTS["premium"], shown) == Verdict(ProofState.ACCEPTED)


def test_no_code_where_required() -> None:
    """A delivery without a code where one is required is awaited with code_missing."""
    verdict = delivered(SEGMENTS["premium"], Evidence(name="A. Poe", fix=HERE))
    assert (verdict.state, verdict.codes) == (ProofState.AWAITED, frozenset({"code_missing"}))


@pytest.mark.parametrize(
    ("door", "finding"),
    [
        (DoorFacts(code=Check.WRONG, tries_left=3), "code_wrong"),
        (DoorFacts(code=Check.LOCKED, tries_left=0), "code_locked"),
        (DoorFacts(code=Check.EXPIRED), "code_expired"),
        (DoorFacts(code=Check.SPENT), "code_spent"),
        (DoorFacts(token=Check.WRONG), "door_token_wrong"),
        (DoorFacts(token=Check.SPENT), "door_token_spent"),
        (DoorFacts(token=Check.EXPIRED), "door_token_expired"),
    ],
)
def test_bad_code_is_found_everywhere(door: DoorFacts, finding: str) -> None:
    """A code or token that proves nothing is named, required or not, and never as missing."""
    for segment in ("premium", "economy"):
        verdict = delivered(SEGMENTS[segment], Evidence((PHOTO,), door=door))
        assert finding in verdict.codes
        assert "code_missing" not in verdict.codes


def test_tries_left_are_told() -> None:
    """The detail of code_wrong tells how many tries are left."""
    shown = Evidence(door=DoorFacts(code=Check.WRONG, tries_left=3))
    (finding,) = (
        f for f in delivered(SEGMENTS["premium"], shown).findings if f.code == "code_wrong"
    )
    assert finding.detail == "3 tries left"
    assert finding.severity is Level.REQUIRED


def test_a_wrong_code_beside_a_right_token_only_warns() -> None:
    """What proves is enough; the other stays a remark."""
    door = DoorFacts(code=Check.WRONG, token=Check.RIGHT, tries_left=4)
    verdict = delivered(SEGMENTS["premium"], Evidence(door=door, name="A. Poe", fix=HERE))
    assert verdict.state is ProofState.ACCEPTED
    assert [(f.code, f.severity) for f in verdict.findings] == [("code_wrong", Level.WARN)]


def test_fallback_proves_with_a_warning() -> None:
    """Premium without a code: photo, signature and name together do, and it shows."""
    shown = Evidence((PHOTO, SIGNATURE), name="A. Poe", fix=HERE)
    verdict = delivered(SEGMENTS["premium"], shown)
    assert verdict.state is ProofState.ACCEPTED
    assert verdict.codes == {"code_missing", "fallback_used"}
    assert {finding.severity for finding in verdict.findings} == {Level.WARN}


def test_half_a_fallback_proves_nothing() -> None:
    """The fallback is taken whole."""
    shown = Evidence((PHOTO,), name="A. Poe", fix=HERE)
    assert delivered(SEGMENTS["premium"], shown).state is ProofState.AWAITED


@pytest.mark.parametrize(
    ("fix", "finding"),
    [
        (None, "fix_missing"),
        (FixFacts(5.0, 5.0, mock=True), "fix_mocked"),
        (FixFacts(400.0, 8.0, mock=False), "outside_geofence"),
        (FixFacts(5_000.0, 9_000.0, mock=False), "outside_geofence"),
    ],
)
def test_place_cannot_be_made_good(fix: FixFacts | None, finding: str) -> None:
    """A required position that was wrong is refused at once; as a warning it stays a remark."""
    required = delivered(asking(needs(K.FIX)), Evidence(fix=fix))
    warned = delivered(asking(needs(K.FIX, Level.WARN)), Evidence(fix=fix))
    assert (required.state, warned.state) == (ProofState.REFUSED, ProofState.NONE)
    assert required.codes == warned.codes == {finding}


def test_coarse_fix_is_given_the_benefit() -> None:
    """The fix's own accuracy widens the fence, up to a limit."""
    shown = Evidence(fix=FixFacts(220.0, 80.0, mock=False))
    assert delivered(asking(needs(K.FIX)), shown).state is ProofState.ACCEPTED


def test_method_selects_the_rules() -> None:
    """Premium left in a safe place wants two photos and a note instead of a code."""
    verdict = delivered(SEGMENTS["premium"], Evidence(fix=HERE), Method.SAFE_PLACE)
    assert verdict.codes == {"photo_missing", "note_missing"}


def test_all_matching_rules_add_up() -> None:
    """A refused premium parcel needs the photo of every failure and the note of this reason."""
    verdict = judge(
        SEGMENTS["premium"], Outcome.FAILED, None, "refused", Evidence(fix=HERE), late=False
    )
    assert verdict.codes == {"photo_missing", "note_missing"}


def test_worst_finding_comes_first_and_once() -> None:
    """The same thing asked twice is told once, at its worst level."""
    policy = asking(needs(K.NAME, Level.WARN), needs(K.PHOTO, Level.WARN), needs(K.NAME))
    verdict = delivered(policy, Evidence())
    assert [(f.code, f.severity) for f in verdict.findings] == [
        ("name_missing", Level.REQUIRED),
        ("photo_missing", Level.WARN),
    ]


@pytest.mark.parametrize("kind", list(K))
@pytest.mark.parametrize("segment", LOADED)
def test_every_kind_can_be_asked_for(kind: K, segment: Segment) -> None:
    """No kind of evidence is beyond judgement: absent is not accepted, present is."""
    policy = replace(segment.policy, proof=asking(needs(kind)).proof)
    everything = Evidence(
        (PHOTO, SIGNATURE, replace(PHOTO, kind=K.ID_CHECK)),
        DoorFacts(code=Check.RIGHT),
        "A. Poe",
        "left with the porter",
        HERE,
        1,
    )
    assert delivered(policy, Evidence()).state in (ProofState.AWAITED, ProofState.REFUSED)
    assert delivered(policy, Evidence(), late=True).state is ProofState.REFUSED
    assert delivered(policy, everything) == Verdict(ProofState.ACCEPTED)
