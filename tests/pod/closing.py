"""Close a stop and let evidence arrive, the way a push and an upload do."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from backend.audit.follow import Witness
from backend.audit.record import Event, record
from backend.domain.people import SYSTEM, Actor, ActorType
from backend.ids import new_id
from backend.store import proofs, segments
from backend.store.database import Database, moment
from backend.tables.evidence import Evidence as EvidenceRow
from backend.tables.stops import Stop
from pod.door import (
    Given,
    known_door,
    try_door,
)
from pod.evidence import PhotoFacts, SignatureFacts
from pod.service import (
    claim_of,
    evidence_due,
    findings_to_wire,
    name_evidence,
    settle,
    weigh,
    without_secrets,
)
from pod.verdict import Verdict
from tests.fixtures.visits import KEYS, PLACE, Round

SHA = "ab" * 32
FIX = {"lat": PLACE[0], "lon": PLACE[1], "accuracy_m": 8, "mock": False}
PHOTO = PhotoFacts("JPEG", 800, 600, "0" * 16, 500.0, 120.0)
SIGNED = SignatureFacts("strokes", 200.0, 60.0, 40, 300.0, blank=False)


def driver(made: Round) -> Actor:
    """Return the driver as the log names him."""
    return Actor(ActorType.DRIVER, str(made.driver), str(made.device))


async def close(
    db: Database,
    made: Round,
    segment: str,
    body: dict[str, Any],
    *,
    kind: str = "stop.delivered",
    evidence: list[dict[str, Any]] | None = None,
) -> Verdict:
    """Close a stop the way a push does."""
    mutation = new_id()
    async with db.begin() as tx:
        stop = await proofs.lock_stop(tx, made.stops[segment])
        assert stop is not None
        given = Given(mutation, moment(tx), body.get("code"), body.get("door_token"))
        tried = given.code is not None or given.qr is not None
        door = await (try_door(tx, KEYS, stop, given) if tried else known_door(tx, stop))
        signed = body.get("signature", {}).get("sha256")
        await name_evidence(
            tx, stop.id, made.driver, mutation, evidence=evidence or [], signed=signed
        )
        claim = claim_of(kind, body, FIX)
        assert claim is not None
        policy = await segments.policy(tx, segment, 1)
        verdict = await weigh(tx, stop, claim, policy=policy, door=door)
        event = new_id()
        change = {
            "state": claim.outcome.value,
            "proof": verdict.state.value,
            "method": claim.method.value if claim.method else None,
            "closed_at": moment(tx),
            "closed_by": event,
            "evidence_due_at": evidence_due(policy, verdict, moment(tx)),
        }
        witness = Witness(
            id=event,
            kind=kind,
            mutation_id=mutation,
            policy_version=1,
            body=without_secrets(body),
            fix=FIX,
            findings=tuple(findings_to_wire(verdict.findings)),
        )
        await record(tx, driver(made), Event(kind, Stop, stop.id, change, witness=witness))
    return verdict


def photo(sha256: str = SHA, kind: str = "photo") -> dict[str, Any]:
    """Return a file as an event names it."""
    return {"sha256": sha256, "kind": kind, "size": 9, "media_type": "image/jpeg"}


def delivered(**more: object) -> dict[str, Any]:
    """Return the body of a delivery into somebody's hands."""
    return {"method": "handed_over", "parcels": [], **more}


async def arrive(
    db: Database, made: Round, facts: PhotoFacts | SignatureFacts, sha256: str = SHA
) -> None:
    """Let bytes verify the way an upload does."""
    async with db.begin() as tx:
        change = {
            "sha256": sha256,
            "size": 9,
            "media_type": "image/jpeg",
            "verified_at": moment(tx),
            "driver_id": made.driver,
            "kind": "photo" if isinstance(facts, PhotoFacts) else "signature",
            "facts": asdict(facts),
        }
        event = Event("evidence.verified", EvidenceRow, new_id(), change, create=True)
        await record(tx, driver(made), event)


async def resettle(db: Database, made: Round, segment: str) -> Verdict | None:
    """Settle a stop in a transaction of its own."""
    async with db.begin() as tx:
        return await settle(tx, SYSTEM, made.stops[segment], cause="test")


async def proof(db: Database, made: Round, segment: str) -> str:
    """Return the proof's state as it is stored."""
    async with db.snapshot() as tx:
        query = select(col(Stop.proof)).where(col(Stop.id) == made.stops[segment])
        return str(await tx.scalar(query))
