"""The proof of a visit as use cases: weigh it when the visit closes, settle it when more comes.

When a driver's event closes a stop, ``sync`` calls, in this order and in its own transaction with
the stop held: ``name_evidence``, ``pod.door.try_door`` (if a code or QR was given), ``weigh``; it
writes the verdict's state and ``evidence_due`` with the closing event, in one entry. From then on
whatever brings more (bytes that verified, an event that names a file, a code, a note, a scan, a
supervisor's override) calls ``settle``, which reads everything again and moves the proof.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from backend.audit.follow import Witness
from backend.audit.record import Event, record
from backend.dispatch.inbox import open_item
from backend.domain.geo import LatLon, distance_m
from backend.domain.inbox import InboxKind
from backend.domain.people import SYSTEM, Actor
from backend.domain.policy import EvidenceKind, Method, Outcome, Policy
from backend.domain.stop import ProofState, StopState
from backend.errors import DoorstepError
from backend.store import proofs as store
from backend.store import segments
from backend.store.database import Database, Tx, moment
from backend.store.proofs import Named, Reference
from backend.tables.stops import Stop
from pod.door import known_door
from pod.evidence import DoorFacts, Evidence, Exhibit, ExhibitState, FixFacts, counts
from pod.strokes import inspect_strokes
from pod.verdict import Finding, Verdict, judge

_METHODS = frozenset(method.value for method in Method)
_SECRETS = frozenset({"code", "door_token"})
_OUTCOMES = {"stop.delivered": Outcome.DELIVERED, "stop.failed": Outcome.FAILED}
_UNKNOWN_SIZE = 0  # a signature named inside a body tells neither its size nor its type


@dataclass(frozen=True, slots=True)
class Claim:
    """What an event claims about how a visit ended; ``strokes`` are a signature sent inside it.

    ``by`` is the driver who says so, None where it is the office.
    """

    outcome: Outcome
    method: Method | None = None
    reason: str | None = None
    name: str = ""
    note: str = ""
    fix: Mapping[str, Any] | None = None
    strokes: object = None
    by: UUID | None = None


def claim_of(
    kind: str, body: Mapping[str, Any], fix: Mapping[str, Any] | None, by: UUID | None = None
) -> Claim | None:
    """Return the claim in a closing event's validated body, None where the kind closes nothing.

    ``stop.corrected`` claims what it becomes.
    """
    if kind == "stop.corrected":
        becomes = body.get("becomes") or {}
        return claim_of(str(becomes.get("kind")), becomes.get("body") or {}, fix, by)
    outcome = _OUTCOMES.get(kind)
    if outcome is None:
        return None
    method = body.get("method")
    return Claim(
        outcome,
        _method(method),
        body.get("reason"),
        name=(body.get("recipient") or {}).get("name") or "",
        note=body.get("note") or "",
        fix=fix,
        strokes=(body.get("signature") or {}).get("strokes"),
        by=by,
    )


def _method(word: object) -> Method | None:
    return Method(word) if isinstance(word, str) and word in _METHODS else None


def without_secrets(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body fit for the timeline and the log: codes and tokens are kept in neither."""
    kept = {name: value for name, value in body.items() if name not in _SECRETS}
    becomes = kept.get("becomes")
    if isinstance(becomes, Mapping) and isinstance(becomes.get("body"), Mapping):
        kept["becomes"] = {**becomes, "body": without_secrets(becomes["body"])}
    return kept


async def name_evidence(
    tx: Tx,
    stop_id: UUID,
    driver_id: UUID,
    mutation_id: UUID,
    *,
    evidence: Sequence[Mapping[str, Any]] = (),
    signed: str | None = None,
    counts: bool = True,
) -> None:
    """Keep which files an event names: its ``evidence``, and ``signed``, a signature in its body.

    What an event names that took effect or was recorded ``counts``, whatever its kind: it is asked
    for, and proves as soon as its bytes verify. What any other names about a stop we know does
    neither, but goes with the stop's goods. All is validated already.
    """
    items: dict[str, Reference] = {}
    for e in evidence:  # named twice in one event, a file is what it was named as first
        items.setdefault(e["sha256"], Reference(e["sha256"], e["kind"], e["size"], e["media_type"]))
    if signed is not None:
        unknown = "application/octet-stream"
        items.setdefault(signed, Reference(signed, EvidenceKind.SIGNATURE, _UNKNOWN_SIZE, unknown))
    await store.refer(tx, stop_id, driver_id, mutation_id, items.values(), counts=counts)


async def weigh(
    tx: Tx, stop: Stop, claim: Claim, *, policy: Policy, door: DoorFacts, late: bool = False
) -> Verdict:
    """Judge a claim with everything that is known of the stop so far; changes nothing.

    ``policy`` is the version the driver held (``segments.policy(tx, stop.segment, version)``),
    ``door`` the answer of ``try_door``, or ``known_door`` where nothing was given.
    """
    seen = await store.shown(tx, stop)
    exhibits = [_exhibit(item) for item in seen.named if counts(item.driver_id, claim.by)]
    if claim.strokes is not None:
        exhibits.append(_drawn(claim.strokes))
    shown = Evidence(
        exhibits=tuple(exhibits),
        door=door,
        name=claim.name,
        note=claim.note or "\n".join(seen.notes),
        fix=_fix(seen, claim.fix),
        scans=seen.scans,
    )
    return judge(policy, claim.outcome, claim.method, claim.reason, shown, late=late)


def evidence_due(policy: Policy, verdict: Verdict, now: datetime) -> datetime | None:
    """Return until when more evidence may come, None where none is awaited.

    Counted from receipt: a driver who was offline all day must not be late by his first word.
    """
    if verdict.state is not ProofState.AWAITED:
        return None
    return now + timedelta(hours=policy.late_evidence_h)


async def settle(
    tx: Tx, actor: Actor, stop_id: UUID, *, cause: str | None = None
) -> Verdict | None:
    """Read everything about a closed stop again and move its proof, with an entry if it moves.

    Takes the stop's lock. Judged by the version the stop was released with, which is the one its
    driver held; what a phone says it held is a claim, and an older rule may be a weaker one.
    Records ``proof.accepted``, ``proof.refused``, ``proof.awaited`` or ``proof.dropped`` (nothing
    is required any more). A waived or accepted proof stays as it is.
    Returns the verdict, or None where there is nothing to judge.
    """
    stop = await store.lock_stop(tx, stop_id)
    if stop is None or stop.proof in (ProofState.WAIVED, ProofState.ACCEPTED):
        return None
    told = await store.closing_event(tx, stop)
    claim = claim_about(stop, told)
    if claim is None:
        return None
    policy = await segments.policy(tx, stop.segment, stop.policy_version)
    late = stop.evidence_due_at is not None and stop.evidence_due_at <= moment(tx)
    door = await known_door(tx, stop)
    verdict = await weigh(tx, stop, claim, policy=policy, door=door, late=late)
    if verdict.state != stop.proof:
        await _move(tx, actor, stop, policy, verdict, cause)
    return verdict


async def settle_overdue(db: Database, *, limit: int = 200) -> int:
    """Close proofs whose time for more evidence is over, each in its own transaction.

    Whoever is still missing evidence then becomes a question for a person. Safe to run in two
    processes at once: the second finds nothing left to do. Returns how many were looked at.
    """
    async with db.begin() as tx:
        due = await store.overdue(tx, moment(tx), limit=limit)
    for stop_id in due:
        async with db.begin() as tx:
            verdict = await settle(tx, SYSTEM, stop_id, cause="evidence_overdue")
            if verdict is not None and verdict.state is ProofState.REFUSED:
                missing = ", ".join(finding.code for finding in verdict.findings)
                await open_item(
                    tx,
                    kind=InboxKind.EVIDENCE_OVERDUE,
                    subject=f"evidence_overdue:{stop_id}",
                    detail=f"the time for evidence is over: {missing}",
                    stop_id=stop_id,
                )
    return len(due)


def findings_to_wire(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """Return findings as receipts and timelines show them."""
    return [{"code": f.code, "severity": f.severity.value, "detail": f.detail} for f in findings]


def claim_about(stop: Stop, told: store.Told | None) -> Claim | None:
    """Return what is claimed of a closed stop; an override claims it through the row alone."""
    claim = claim_of(told.kind, told.body, told.fix, told.driver_id) if told else None
    if claim is not None:
        return claim
    if stop.state not in (StopState.DELIVERED, StopState.FAILED):
        return None
    return Claim(Outcome(stop.state), _method(stop.method), stop.reason, name=stop.recipient or "")


_ACTIONS = {
    ProofState.ACCEPTED: "proof.accepted",
    ProofState.REFUSED: "proof.refused",
    ProofState.AWAITED: "proof.awaited",
    ProofState.NONE: "proof.dropped",
}


async def _move(
    tx: Tx, actor: Actor, stop: Stop, policy: Policy, verdict: Verdict, cause: str | None
) -> None:
    change: dict[str, object] = {"proof": verdict.state.value}
    if verdict.state is ProofState.AWAITED and stop.evidence_due_at is None:
        change["evidence_due_at"] = evidence_due(policy, verdict, moment(tx))
    witness = Witness(findings=tuple(findings_to_wire(verdict.findings)))
    action = _ACTIONS[verdict.state]
    await record(tx, actor, Event(action, Stop, stop.id, change, cause=cause, witness=witness))


def _exhibit(item: Named) -> Exhibit:
    """Bytes count if they are of the sort they were named as: a drawing is no photo."""
    kind = EvidenceKind(item.kind)
    if item.arrived_as is None or item.facts is None:
        state = ExhibitState.CORRUPT if item.upload == "corrupt" else ExhibitState.AWAITED
        return Exhibit(kind, item.sha256, state)
    if (kind is EvidenceKind.SIGNATURE) != (item.arrived_as == EvidenceKind.SIGNATURE):
        return Exhibit(kind, item.sha256, ExhibitState.CORRUPT)
    state = ExhibitState.BLANK if item.facts.get("blank") else ExhibitState.SOUND
    return Exhibit(kind, item.sha256, state, tuple(item.facts.get("warnings", ())))


def _drawn(strokes: object) -> Exhibit:
    """Judge strokes that came inside the event."""
    try:
        blank = inspect_strokes(strokes).blank
    except DoorstepError:
        return Exhibit(EvidenceKind.SIGNATURE, "strokes", ExhibitState.CORRUPT)
    state = ExhibitState.BLANK if blank else ExhibitState.SOUND
    return Exhibit(EvidenceKind.SIGNATURE, "strokes", state)


def _fix(seen: store.Shown, fix: Mapping[str, Any] | None) -> FixFacts | None:
    if not fix or seen.lat is None or seen.lon is None:
        return None
    away = distance_m(LatLon(fix["lat"], fix["lon"]), LatLon(seen.lat, seen.lon))
    return FixFacts(away, float(fix.get("accuracy_m") or 0.0), mock=fix.get("mock") is True)
