"""Queries about segments: the policy of a version, and the version that counts now."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import cast
from uuid import UUID

import msgspec
from sqlalchemy import Text, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from backend.domain.segment import Policy, Segment, parse_policy
from backend.store.database import is_snapshot, unchanging
from backend.store.direct import fetch_one
from backend.tables.segments import Segment as SegmentRow
from backend.tables.segments import SegmentPolicy

_READ = "policies"


@dataclass(frozen=True, slots=True)
class Listed:
    """A segment as people see it."""

    segment: Segment
    since: datetime


async def policy(tx: AsyncSession, code: str, version: int) -> Policy:
    """Return one version of a segment's policy; what a snapshot saw once is not read again.

    Raises:
        LookupError: there never was such a version.
    """
    read = cast("dict[tuple[str, int], Policy]", tx.info.setdefault(_READ, {}))
    known = cast("dict[tuple[str, int], Policy]", unchanging(tx).setdefault(_READ, {}))
    policy = known.get((code, version)) or read.get((code, version))
    if policy is not None:
        return policy
    found = await fetch_one(tx, _POLICY, code, version)
    if found is None:
        raise LookupError(f"there is no version {version} of segment {code}")
    # What is seen while writing may never be committed, and the version come again otherwise.
    keep = known if is_snapshot(tx) else read
    return keep.setdefault((code, version), _parsed(found[0]))


_POLICY = "SELECT policy::text FROM segment_policy WHERE code = $1 AND version = $2"


@lru_cache(maxsize=512)
def _parsed(text: str) -> Policy:
    """Parse a stored policy; the same text is always the same policy, in whatever database."""
    return parse_policy(msgspec.json.decode(text))


async def current(tx: AsyncSession, codes: Iterable[str] | None = None) -> dict[str, Segment]:
    """Return the present version of the segments named, or of all, by code."""
    text = sql_cast(col(SegmentRow.policy), Text).label("policy")
    query = select(col(SegmentRow.code), col(SegmentRow.version), text)
    if codes is not None:
        query = query.where(col(SegmentRow.code).in_(set(codes)))
    return {
        row.code: Segment(row.code, row.version, _parsed(row.policy))
        for row in await tx.execute(query)
    }


async def listed(tx: AsyncSession) -> list[Listed]:
    """Return every segment with its present policy and since when that counts, by code."""
    query = select(col(SegmentPolicy.code), col(SegmentPolicy.since)).join(
        SegmentRow,
        (col(SegmentPolicy.code) == col(SegmentRow.code))
        & (col(SegmentPolicy.version) == col(SegmentRow.version)),
    )
    segments = await current(tx)
    rows = await tx.execute(query.order_by(col(SegmentRow.code)))
    return [Listed(segments[row.code], row.since) for row in rows]


async def lock(tx: AsyncSession, code: str) -> UUID | None:
    """Hold a segment against other changes; return its id, None where there is none."""
    query = select(col(SegmentRow.id)).where(col(SegmentRow.code) == code).with_for_update()
    return await tx.scalar(query)


def keep_version(
    tx: AsyncSession, code: str, version: int, wire: Mapping[str, object], since: datetime
) -> None:
    """Keep a version for ever."""
    tx.add(SegmentPolicy(code=code, version=version, policy=dict(wire), since=since))
