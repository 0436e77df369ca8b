"""What a policy would have done: closed visits of a period, judged again by its rules.

Only reads. What was shown then is judged by the new rules as if the time for more were over, so
the answer is what would have been refused for good.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from backend.domain.policy import Policy
from backend.domain.stop import ProofState
from backend.store import proofs as store
from backend.store.database import Tx
from backend.tables.stops import Stop
from pod.door import known_door
from pod.service import claim_about, weigh
from pod.verdict import Finding

MOST_VISITS = 2_000
MOST_SAMPLES = 20


@dataclass(frozen=True, slots=True)
class Sample:
    """A visit that the policy would have refused."""

    stop_id: UUID
    outcome: str
    proof: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Simulation:
    """How many visits were judged, what came of them, and some of those refused.

    ``complete`` is False where the period holds more visits than are judged at once.
    """

    judged: int
    states: dict[str, int]
    findings: dict[str, int]
    samples: tuple[Sample, ...]
    complete: bool


async def simulate(
    tx: Tx,
    code: str,
    policy: Policy,
    start: datetime,
    end: datetime,
    *,
    depots: Collection[UUID] | None,
) -> Simulation:
    """Judge the visits of a segment that closed from ``start`` until before ``end``.

    ``depots`` are those the asker may see, None for all.
    """
    most = MOST_VISITS + 1
    stops = await store.closed_between(tx, code, start, end, depots=depots, limit=most)
    states: Counter[str] = Counter()
    findings: Counter[str] = Counter()
    samples: list[Sample] = []
    for stop in stops[:MOST_VISITS]:
        sample = await _judge_again(tx, stop, policy)
        if sample is None:
            continue
        state, told = sample
        states[state] += 1
        if state == ProofState.REFUSED:
            findings.update(finding.code for finding in told.findings)
            samples.append(told)
    return Simulation(
        judged=states.total(),
        states=dict(states),
        findings=dict(findings),
        samples=tuple(samples[:MOST_SAMPLES]),
        complete=len(stops) <= MOST_VISITS,
    )


async def _judge_again(tx: Tx, stop: Stop, policy: Policy) -> tuple[str, Sample] | None:
    claim = claim_about(stop, await store.closing_event(tx, stop))
    if claim is None:
        return None
    door = await known_door(tx, stop)
    verdict = await weigh(tx, stop, claim, policy=policy, door=door, late=True)
    told = Sample(stop.id, stop.state, stop.proof, verdict.findings)
    return verdict.state.value, told
