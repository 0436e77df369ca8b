"""Pull: what changed in a driver's scope since his cursor, as one moment saw the database."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from backend.keys import Keys
from backend.store import feed, manifests, segments
from backend.store.database import Tx, is_snapshot
from pod.door import manifest_commitment
from sync import cursor, manifest
from sync.receipts import Put, Remove

PAGE = 500
_CACHED_DIGESTS = 1_000


@dataclass(frozen=True, slots=True)
class Pulled:
    """What brings a phone's base up to date, or one page of it."""

    cursor: str
    reset: bool
    more: bool
    puts: list[Put]
    removes: list[Remove]
    digest: str | None

    def members(self) -> dict[str, Any]:
        """Return it as members of a reply."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


class Digests:
    """Digests of scopes at versions, so that an idle phone costs no reading of the feed.

    A version that is not committed yet may come again with other content: it is not remembered.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[UUID, str, int], str] = OrderedDict()

    async def of(self, tx: Tx, at: cursor.Cursor) -> str:
        """Return the digest of a scope at the version this transaction sees."""
        key = (at.epoch, at.scope, at.v)
        if key in self._known:
            return self._known[key]
        found = await feed.digest(tx, at.scope)
        if is_snapshot(tx):
            self._known[key] = found
            if len(self._known) > _CACHED_DIGESTS:
                self._known.popitem(last=False)
        return found


async def pull(
    tx: Tx, keys: Keys, digests: Digests, here: cursor.Cursor, held: cursor.Held | None
) -> Pulled:
    """Return what a phone at ``held`` lacks; ``here`` is where its scope stands in this snapshot.

    ``held`` is None where its cursor tells us nothing: it is answered with a snapshot.
    """
    since = None if held is None else held.v
    if since == here.v:
        fresh = await digests.of(tx, here)
        return Pulled(
            cursor.write(here), reset=False, more=False, puts=[], removes=[], digest=fresh
        )
    changes, last = await _changes(tx, here, since)
    more = last < here.v
    begun = here.v if held is None else held.begun
    reached = cursor.Cursor(here.epoch, here.scope, last, begun if more else 0)
    return Pulled(
        cursor=cursor.write(reached),
        reset=since is None,
        more=more,
        puts=await _puts(tx, keys, [change for change in changes if not change.gone]),
        removes=[Remove(change.type, change.entity_id) for change in changes if change.gone],
        digest=None if more else await digests.of(tx, here),
    )


def held_at(text: str | None, here: cursor.Cursor, floor: int) -> cursor.Held | None:
    """Return where a phone stands if a delta can take it on from there.

    Not from another epoch, scope or schema, nor from the future, nor from below the floor: what
    left the scope since is forgotten.
    """
    held = cursor.read(text)
    if held is None or held.mark != here.mark:
        return None
    return held if held.v <= here.v and held.seen >= floor else None


async def _changes(tx: Tx, here: cursor.Cursor, since: int | None) -> tuple[list[feed.Change], int]:
    """Return a page of what a phone lacks, and the version that it is at with it."""
    if since is not None:
        # What was last may have been dropped since: whoever has all is at the end.
        changes, is_all = await feed.later(tx, here.scope, since, limit=PAGE)
    else:
        changes, is_all = await feed.present(tx, here.scope, limit=PAGE)
    return changes, here.v if is_all else changes[-1].v


async def _puts(tx: Tx, keys: Keys, changes: Sequence[feed.Change]) -> list[Put]:
    """Read the entities as they are now, in the order of their versions."""
    data: dict[tuple[str, str], manifest.Wire] = {
        (name, name): make() for name, make in manifest.STANDING_ENTITIES.items()
    }
    routes = await manifests.routes(tx, _ids(changes, "route"))
    data.update({("route", str(line.id)): manifest.route_entity(line) for line in routes})
    data.update(await _stops(tx, keys, _ids(changes, "stop")))
    return [
        Put(change.type, change.entity_id, change.v, data[change.type, change.entity_id])
        for change in changes
    ]


def _ids(changes: Iterable[feed.Change], type_: str) -> list[UUID]:
    return [UUID(change.entity_id) for change in changes if change.type == type_]


async def _stops(tx: Tx, keys: Keys, ids: Sequence[UUID]) -> dict[tuple[str, str], manifest.Wire]:
    lines = await manifests.stops(tx, ids)
    entities = {}
    for line in lines:
        policy = await segments.policy(tx, line.segment, line.policy_version)
        entities["stop", str(line.id)] = manifest.stop_entity(line, policy, _commitment(keys, line))
    return entities


def _commitment(keys: Keys, line: manifests.StopLine) -> str | None:
    return manifest_commitment(keys, line.id, line.door_issue) if line.door_issue else None
