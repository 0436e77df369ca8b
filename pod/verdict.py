"""The verdict: a policy's rules held against what was shown. Pure, total, never raises.

The worst a poor proof earns is a finding; whether goods changed hands is the stop's matter, not
the proof's. ``none``: nothing was required. ``awaited``: something required may still come.
``refused``: it no longer can. ``accepted``: everything required is there.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType

from backend.domain.policy import (
    EvidenceKind,
    Level,
    Method,
    Outcome,
    Piece,
    Policy,
    Requirement,
)
from backend.domain.segment import rules_for
from backend.domain.stop import ProofState
from pod.evidence import Check, DoorFacts, Evidence, ExhibitState, FixFacts

# A coarse fix must not fail a driver who stands at the door, nor excuse one streets away.
MOST_ACCURACY_EXCUSED_M = 100.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark on the proof; ``severity`` is the level of the rule that asked."""

    code: str
    severity: Level
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the proof stands, and why."""

    state: ProofState
    findings: tuple[Finding, ...] = ()

    @property
    def codes(self) -> frozenset[str]:
        """The findings' codes."""
        return frozenset(finding.code for finding in self.findings)


@dataclass(frozen=True, slots=True)
class _Look:
    """One piece looked for: what was wrong (nothing: it is there), and whether it may yet come."""

    fault: str = ""
    detail: str = ""
    may_come: bool = True


def judge(
    policy: Policy,
    outcome: Outcome,
    method: Method | None,
    reason: str | None,
    evidence: Evidence,
    *,
    late: bool,
) -> Verdict:
    """Hold the rules against the evidence; ``late`` once the policy's time for more is over."""
    requirements = rules_for(policy, outcome, method, reason)
    answers = [_answer(requirement, policy, evidence) for requirement in requirements]
    required = [answer for answer in answers if answer.level is Level.REQUIRED]
    findings = [finding for answer in answers for finding in answer.findings]
    findings += _door_remarks(evidence.door)
    findings += _quality_remarks(evidence)
    return Verdict(_state(required, late=late), _worst_of_each(findings))


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one requirement got."""

    level: Level
    met: bool
    may_come: bool
    findings: tuple[Finding, ...] = ()


def _state(required: list[_Answer], *, late: bool) -> ProofState:
    open_ = [answer for answer in required if not answer.met]
    if not required:
        return ProofState.NONE
    if not open_:
        return ProofState.ACCEPTED
    if late or not all(answer.may_come for answer in open_):
        return ProofState.REFUSED
    return ProofState.AWAITED


def _answer(requirement: Requirement, policy: Policy, evidence: Evidence) -> _Answer:
    """Any one alternative will do; else the whole fallback, which leaves a warning behind."""
    level = requirement.level
    looks = [_look(piece, policy, evidence) for piece in requirement.any_of]
    if any(not look.fault for look in looks):
        return _Answer(level, met=True, may_come=True)
    rest = [_look(piece, policy, evidence) for piece in requirement.otherwise]
    if rest and not any(look.fault for look in rest):
        used = Finding("fallback_used", Level.WARN, _names(requirement.otherwise))
        return _Answer(level, met=True, may_come=True, findings=(*_told(looks, Level.WARN), used))
    may_come = any(look.may_come for look in looks) or (
        bool(rest) and all(look.may_come for look in rest)
    )
    return _Answer(level, met=False, may_come=may_come, findings=_told(looks, level))


def _told(looks: list[_Look], level: Level) -> tuple[Finding, ...]:
    """Name the first alternative's fault. What is optional and simply absent is no finding."""
    fault = looks[0]
    if level is Level.OPTIONAL and fault.fault.endswith("_missing"):
        return ()
    return (Finding(fault.fault, level, fault.detail),)


def _names(pieces: Iterable[Piece]) -> str:
    return ", ".join(piece.evidence for piece in pieces)


def _look(piece: Piece, policy: Policy, evidence: Evidence) -> _Look:
    match piece.evidence:
        case EvidenceKind.PHOTO | EvidenceKind.SIGNATURE | EvidenceKind.ID_CHECK:
            return _look_at_files(piece, evidence)
        case EvidenceKind.CODE | EvidenceKind.DOOR_TOKEN:
            return _look_at_door(evidence.door)
        case EvidenceKind.NAME:
            return _Look() if evidence.name.strip() else _Look("name_missing", "who took it?")
        case EvidenceKind.NOTE:
            return _Look() if evidence.note.strip() else _Look("note_missing", "what happened?")
        case EvidenceKind.FIX:
            return _look_at_fix(policy, evidence.fix)
        case EvidenceKind.SCAN:
            enough = evidence.scans >= piece.min
            return _Look() if enough else _Look("scan_missing", f"{evidence.scans} of {piece.min}")


def _look_at_files(piece: Piece, evidence: Evidence) -> _Look:
    """Photos, signatures and ID checks: as many different sound files as asked for."""
    kind = piece.evidence
    files = [exhibit for exhibit in evidence.exhibits if exhibit.kind is kind]
    sound = len({exhibit.key for exhibit in files if exhibit.state is ExhibitState.SOUND})
    if sound >= piece.min:
        return _Look()
    count = f"{sound} of {piece.min}"
    states = {exhibit.state for exhibit in files}
    if ExhibitState.AWAITED in states:
        return _Look(f"{kind}_awaited", f"named but not uploaded yet; {count}")
    if ExhibitState.CORRUPT in states:
        return _Look(f"{kind}_corrupt", f"could not be read; {count}")
    if ExhibitState.BLANK in states:
        return _Look(f"{kind}_blank", "shows nothing")
    return _Look(f"{kind}_missing", count)


def _look_at_door(door: DoorFacts) -> _Look:
    """Either the code or the QR proves."""
    if door.proves:
        return _Look()
    faults = _door_faults(door)
    return _Look(*faults[0]) if faults else _Look("code_missing", "no code or QR was given")


def _look_at_fix(policy: Policy, fix: FixFacts | None) -> _Look:
    """Where one was is over with the moment: a wrong place cannot be made good later."""
    if fix is None:
        return _Look("fix_missing", "no position with the event", may_come=False)
    if fix.mock:
        return _Look("fix_mocked", "the phone reports a mock position", may_come=False)
    beyond = fix.distance_m - min(fix.accuracy_m, MOST_ACCURACY_EXCUSED_M)
    if beyond > policy.geofence_m:
        told = f"{fix.distance_m:.0f} m from the stop, {policy.geofence_m} m allowed"
        return _Look("outside_geofence", told, may_come=False)
    return _Look()


_FAULTY = MappingProxyType(
    {
        Check.WRONG: "wrong",
        Check.LOCKED: "locked",
        Check.SPENT: "spent",
        Check.EXPIRED: "expired",
    }
)


def _door_faults(door: DoorFacts) -> list[tuple[str, str]]:
    """Say what is wrong with a code and a QR that were given: (finding, detail)."""
    faults = []
    if door.code in _FAULTY:
        faults.append((f"code_{_FAULTY[door.code]}", f"{door.tries_left} tries left"))
    if door.token in _FAULTY:
        faults.append((f"door_token_{_FAULTY[door.token]}", "the QR proves nothing"))
    return faults


def _door_remarks(door: DoorFacts) -> list[Finding]:
    """Say that a code or QR proves nothing, even where no rule asked for one."""
    remarks = [Finding(code, Level.WARN, detail) for code, detail in _door_faults(door)]
    if door.time_uncertain:
        remarks.append(Finding("time_uncertain", Level.WARN, "judged at the time of receipt"))
    return remarks


def _quality_remarks(evidence: Evidence) -> list[Finding]:
    """Remarks on files that count all the same."""
    return [
        Finding(f"{exhibit.kind}_{warning}", Level.WARN)
        for exhibit in evidence.exhibits
        if exhibit.state is ExhibitState.SOUND
        for warning in exhibit.warnings
    ]


_RANK = MappingProxyType({Level.REQUIRED: 0, Level.WARN: 1, Level.OPTIONAL: 2})


def _worst_of_each(findings: list[Finding]) -> tuple[Finding, ...]:
    """Tell each thing once, at its worst, the worst first."""
    told: dict[str, Finding] = {}
    for finding in sorted(findings, key=lambda f: _RANK[f.severity]):
        told.setdefault(finding.code, finding)
    return tuple(told.values())
