"""A look at many scopes at once, for those who wait for something to change."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession


@dataclass(frozen=True, slots=True)
class Seen:
    """Where scopes stand, and which of the devices were revoked."""

    versions: dict[str, int]
    revoked: frozenset[UUID]


_LOOK = text(
    """
    SELECT id, v, CAST(NULL AS uuid) AS device FROM scope WHERE id = ANY(:scopes)
    UNION ALL
    SELECT NULL, NULL, id FROM device WHERE id = ANY(:devices) AND revoked_at IS NOT NULL
    """
).bindparams(bindparam("scopes", type_=ARRAY(Text)), bindparam("devices", type_=ARRAY(Uuid)))


async def look(tx: AsyncSession, scopes: Collection[str], devices: Collection[UUID]) -> Seen:
    """Look in one statement; a scope that nothing ever touched is absent."""
    rows = (await tx.execute(_LOOK, {"scopes": list(scopes), "devices": list(devices)})).all()
    return Seen(
        {row.id: row.v for row in rows if row.device is None},
        frozenset(row.device for row in rows if row.device is not None),
    )
