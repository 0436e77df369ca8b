"""Segments change only by new versions, each an entry in the log."""

from collections.abc import Iterable
from pathlib import Path

from backend.audit.record import Event, record
from backend.domain import segment as first
from backend.domain.people import SYSTEM, Actor
from backend.domain.segment import Policy, policy_to_wire
from backend.errors import NotFound
from backend.ids import new_id
from backend.store import segments as store
from backend.store.database import Tx, moment
from backend.tables.segments import Segment

FIRST_VERSIONS = Path(__file__).resolve().parents[2] / "segments.toml"


class SegmentNotFound(NotFound):
    """No segment has this code."""

    code = "segment_not_found"
    title = "There is no such segment"


def first_versions(toml: Path = FIRST_VERSIONS) -> tuple[first.Segment, ...]:
    """Return the segments that come with Doorstep, from ``segments.toml``."""
    return first.parse_segments(toml.read_text(encoding="utf-8"))


async def seed(tx: Tx, segments: Iterable[first.Segment]) -> int:
    """Bring in those first versions that are not there yet; return how many were brought.

    Running it again changes nothing: what the console changed since is not overwritten.
    """
    brought = 0
    for segment in segments:
        if await store.lock(tx, segment.code) is None:
            wire = policy_to_wire(segment.policy)
            change = {"code": segment.code, "policy": wire}
            event = Event("segment.created", Segment, new_id(), change, create=True)
            row = await record(tx, SYSTEM, event)
            store.keep_version(tx, segment.code, row.version, wire, moment(tx))
            brought += 1
    return brought


async def change(tx: Tx, actor: Actor, code: str, policy: Policy) -> int:
    """Make a policy the newest version of a segment; return that version.

    What was released before keeps the version it was released with.

    Raises:
        SegmentNotFound: there is no such segment.
    """
    segment_id = await store.lock(tx, code)
    if segment_id is None:
        raise SegmentNotFound
    wire = policy_to_wire(policy)
    event = Event("segment.changed", Segment, segment_id, {"policy": wire})
    row = await record(tx, actor, event)
    store.keep_version(tx, code, row.version, wire, moment(tx))
    return row.version
