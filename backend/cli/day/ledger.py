"""What became of a day, counted from what people can see and from what the phones were told."""

import io
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backend.audit import verify
from backend.cli.day.control_room import Consignment, Plan, RouteItem
from backend.cli.day.driver import Driver
from backend.domain.stop import ProofState, StopState

# Receipts by outcome; of all of them, so many were duplicates or held for a gap.
_OUTCOMES = (
    "applied",
    "conflict",
    "recorded",
    "held",
    "rejected",
    "quarantined",
    "duplicate",
    "held_for_gap",
)
_AT_ITS_END = frozenset({"delivered", "failed", "returned", "cancelled", "needs_attention"})


@dataclass(slots=True)
class Outcome:
    """One day in numbers."""

    consignments: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    routes: int = 0
    stops: Counter[str] = field(default_factory=Counter)
    proofs: Counter[str] = field(default_factory=Counter)
    mutations: Counter[str] = field(default_factory=Counter)
    evidence_bytes: int = 0
    entries_sealed: int = 0
    audit: str = "unknown"
    unsaid: int = 0

    @property
    def without_fate(self) -> int:
        """Consignments of which nobody could say what became of them."""
        return self.fates["without_fate"]

    @property
    def is_good(self) -> bool:
        """The log verifies, nothing was lost, nobody is left wondering."""
        return self.audit == "ok" and not self.without_fate and not self.unsaid

    def facts(self) -> dict[str, object]:
        """For machines."""
        return {
            "consignments": self.consignments,
            "fates": dict(self.fates),
            "routes": self.routes,
            "stops": {state.value: self.stops[state] for state in StopState},
            "proofs": {state.value: self.proofs[state] for state in ProofState},
            "mutations": {word: self.mutations[word] for word in _OUTCOMES},
            "evidence_bytes": self.evidence_bytes,
            "entries_sealed": self.entries_sealed,
            "without_fate": self.without_fate,
            "unsaid": self.unsaid,
            "audit": self.audit,
        }


def count_goods(outcome: Outcome, goods: Sequence[Consignment], plans: Iterable[Plan]) -> None:
    """Every consignment has a fate: an end, a person who has to look, or a reason to be left."""
    left = {item.reference for plan in plans for item in plan.unassigned}
    outcome.consignments = len(goods)
    for item in goods:
        outcome.fates[_fate(item, left)] += 1


def _fate(item: Consignment, left: set[str]) -> str:
    if item.state in _AT_ITS_END:
        return item.state
    if item.state == "ready" and item.attempts:
        return "to_be_tried_again"
    return "left_out_with_reason" if item.reference in left else "without_fate"


def count_routes(outcome: Outcome, routes: Sequence[RouteItem]) -> None:
    """Stops and their proofs, by state."""
    stops = [stop for route in routes for stop in route.stops]
    outcome.routes += len(routes)
    outcome.stops.update(stop.state for stop in stops)
    outcome.proofs.update(stop.proof for stop in stops)


def count_phones(outcome: Outcome, drivers: Iterable[Driver]) -> None:
    """Receipts by outcome, and what no server has acknowledged."""
    for driver in drivers:
        outcome.mutations.update(driver.handset.syncer.tally)
        outcome.unsaid += driver.handset.pending


async def unheard(drivers: Iterable[Driver]) -> list[str]:
    """Acts that a phone recorded and the server did not acknowledge, or says it does not have."""
    missing = []
    for driver in drivers:
        acts = driver.handset.journal.all()
        known = await driver.handset.lanes.have([act.id for act in acts])
        missing += [act.id for act in acts if not act.acked or act.id not in known]
    return missing


def count_audit(outcome: Outcome, bundle: bytes, log_key: bytes) -> None:
    """Verify the bundle as a stranger would, and take its numbers only then."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle.zip"
        path.write_bytes(bundle)
        report = verify.verify(path, log_key)
    outcome.audit = "ok" if report.code == verify.OK else report.text
    outcome.entries_sealed = report.tree_size
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        rows = archive.read("evidence.csv").decode().splitlines()[1:]
    outcome.evidence_bytes = sum(int(row.split(",")[1]) for row in rows)
