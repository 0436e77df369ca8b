"""Queries about segments: the policy of a version, and the version that counts now."""

from collections.abc import Iterable
from typing import cast

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from backend.domain.segment import Policy, Segment, parse_policy
from backend.tables.segments import Segment as SegmentRow
from backend.tables.segments import SegmentPolicy

_READ = "policies"


async def policy(tx: AsyncSession, code: str, version: int) -> Policy:
    """Return one version of a segment's policy; read and parsed once a transaction.

    Raises:
        LookupError: there never was such a version.
    """
    read = cast("dict[tuple[str, int], Policy]", tx.info.setdefault(_READ, {}))
    if (code, version) not in read:
        query = select(col(SegmentPolicy.policy)).where(
            col(SegmentPolicy.code) == code, col(SegmentPolicy.version) == version
        )
        found = await tx.scalar(query)
        if found is None:
            raise LookupError(f"there is no version {version} of segment {code}")
        read[code, version] = parse_policy(found)
    return read[code, version]


async def current(tx: AsyncSession, codes: Iterable[str] | None = None) -> dict[str, Segment]:
    """Return the present version of the segments named, or of all, by code."""
    query = select(col(SegmentRow.code), col(SegmentRow.version), col(SegmentRow.policy))
    if codes is not None:
        query = query.where(col(SegmentRow.code).in_(set(codes)))
    return {
        row.code: Segment(row.code, row.version, parse_policy(row.policy))
        for row in await tx.execute(query)
    }
