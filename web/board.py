"""A control room's board as puts and removes: what changed in its depots since it last read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from backend.identity.people import SignedIn
from backend.store import boards, devices, feed
from backend.store.database import Tx
from web import board_cursor
from web.board_cursor import Place

PAGE = 500


@dataclass(frozen=True, slots=True)
class Told:
    """A change of a depot's board."""

    depot: UUID
    change: feed.Change


@dataclass(slots=True)
class Read:
    """A page of changes, and the cursor that stands behind it."""

    cursor: str
    reset: bool
    more: bool = False
    told: list[Told] = field(default_factory=list)


async def place_now(tx: Tx, person: SignedIn) -> str:
    """Return the cursor of whoever has just been shown everything in this snapshot."""
    stands = await boards.stands(tx, await boards.seen_by(tx, person.scope))
    places = {depot: Place(stand.v) for depot, stand in stands.items()}
    return board_cursor.write(await devices.epoch(tx), places)


async def read(tx: Tx, person: SignedIn, cursor: str | None) -> Read:
    """Return a page of what changed since ``cursor`` in the depots that a person sees.

    Without a cursor of ours, with one that names a depot which is not his any more, or from below
    a floor, it begins anew.
    """
    epoch = await devices.epoch(tx)
    stands = await boards.stands(tx, await boards.seen_by(tx, person.scope))
    places = board_cursor.read(cursor, epoch)
    if places is None or not all(_leads_on(stands.get(d), at) for d, at in places.items()):
        places, reset = {}, True
    else:
        reset = False
    page = Read("", reset)
    for depot, stand in stands.items():
        if len(page.told) >= PAGE:
            break
        changes, at = await _of_depot(tx, depot, stand, places.get(depot))
        places[depot] = at
        page.told += [Told(depot, change) for change in changes]
    page.more = any(depot not in places or places[depot].v < s.v for depot, s in stands.items())
    page.cursor = board_cursor.write(epoch, places)
    return page


def _leads_on(stand: boards.Stand | None, at: Place) -> bool:
    return stand is not None and at.v <= stand.v and at.seen >= stand.floor


async def _of_depot(
    tx: Tx, depot: UUID, stand: boards.Stand, at: Place | None
) -> tuple[Sequence[feed.Change], Place]:
    """Read on in a depot's feed; whoever begins is shown what waits for its number, too."""
    scope = feed.depot_scope(depot)
    if at is None:
        changes, is_all = await feed.present(tx, scope, limit=PAGE)
        if not is_all:
            return changes, Place(changes[-1].v, stand.v)
        return [*changes, *await boards.unnumbered(tx, depot, stand.v)], Place(stand.v)
    if at.v == stand.v:
        return [], at
    changes, is_all = await feed.later(tx, scope, at.v, limit=PAGE)
    last = stand.v if is_all else changes[-1].v
    return changes, Place(last, at.begun if last < stand.v else 0)
