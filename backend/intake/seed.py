"""The first assignment rules, from ``segments.toml`` into a database that has none."""

from collections.abc import Sequence
from pathlib import Path

from backend.audit.record import Event, record
from backend.domain.assignment import AssignRule, assignments_to_wire, parse_assignments
from backend.domain.people import SYSTEM
from backend.ids import new_id
from backend.store import intake as store
from backend.store.database import Tx
from backend.tables.segments import SegmentRules

FIRST_RULES = Path(__file__).resolve().parents[2] / "segments.toml"


def first_rules(toml: Path = FIRST_RULES) -> tuple[AssignRule, ...]:
    """Return the rules that come with Doorstep, from ``segments.toml``."""
    return parse_assignments(toml.read_text(encoding="utf-8"))


async def seed_rules(tx: Tx, rules: Sequence[AssignRule]) -> int:
    """Store the rules where none are stored yet; return how many were. Repeating is harmless."""
    if await store.assign_rules(tx) is not None:
        return 0
    change: dict[str, object] = {"name": store.RULES, "rules": assignments_to_wire(rules)}
    event = Event("segment_rules.created", SegmentRules, new_id(), change, create=True)
    await record(tx, SYSTEM, event)
    return len(rules)
