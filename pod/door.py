"""The door of a stop: issue its code and token, and try what a customer gave.

Codes are compared here and nowhere else, at most five times wrongly in the life of a stop,
whatever is issued anew and however many processes ask at once: the door's row is held during a
guess, and the count is raised by a statement that refuses a sixth.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from backend.audit.record import Event, record
from backend.domain.door import door_expires_at
from backend.domain.people import Actor
from backend.domain.policy import Policy
from backend.domain.stop import StopState
from backend.errors import StateConflict
from backend.keys import Keys
from backend.store import doors
from backend.store.database import Tx, moment
from backend.store.doors import MOST_WRONG_TRIES
from backend.tables.stops import Door, Stop
from pod.code import door_code, door_key, same_code
from pod.evidence import Check, DoorFacts
from pod.token import commitment, door_token, parse_qr, qr_text, same_token


class StopAlreadyClosed(StateConflict):
    """The visit is over; it needs no code any more."""

    code = "stop_already_closed"
    title = "The stop is already closed"


@dataclass(frozen=True, slots=True)
class Given:
    """What the customer gave: six digits, the QR's text, or both.

    ``by`` is the mutation that carries it, ``at`` when it was given. Where no clock bounds that
    moment, ``at`` is the time of receipt and ``uncertain`` is set.
    """

    by: UUID
    at: datetime
    code: str | None = None
    qr: str | None = None
    uncertain: bool = False


async def issue_door(tx: Tx, actor: Actor, stop: Stop, policy: Policy) -> None:
    """Issue a new code and token for a stop whose row is held; the old ones die.

    Wrong guesses made before still count. The entry tells the number of the issue, never the code.

    Raises:
        StopAlreadyClosed: the visit is over.
    """
    if StopState(stop.state).is_final:
        raise StopAlreadyClosed
    expires_at = door_expires_at(policy, moment(tx), await doors.shift_end(tx, stop))
    await doors.renew(tx, stop.id)
    change = {"door_issue": stop.door_issue + 1, "door_expires_at": expires_at}
    await record(tx, actor, Event("door.issued", Stop, stop.id, change))


async def try_door(tx: Tx, keys: Keys, stop: Stop, given: Given) -> DoorFacts:
    """Try what the customer gave at a stop whose row is held; never raises for a wrong one.

    The guess counts, and the code or token is spent, in the caller's transaction. The answer's
    ``code`` and ``token`` say what became of each; ``proves`` whether the door is proven, now or
    by an earlier event.
    """
    door = await doors.lock(tx, stop.id)
    key = door_key(keys.master, stop.id, stop.door_issue)
    expired = stop.door_expires_at is not None and given.at > stop.door_expires_at
    token = _try_token(door, stop, key, given, expired=expired)
    code = await _try_code(tx, door, stop, key, given, expired=expired)
    if Check.RIGHT in (token, code):
        means = "door_token" if token is Check.RIGHT else "code"
        await doors.spend(tx, stop.id, by=str(given.by), means=means, at=moment(tx))
    tried = await doors.lock(tx, stop.id)
    return DoorFacts(
        code=code,
        token=token,
        tries_left=MOST_WRONG_TRIES - tried.wrong_tries,
        proven=tried.spent_at is not None,
        time_uncertain=given.uncertain and stop.door_issue > 0,
    )


def _try_token(door: Door, stop: Stop, key: bytes, given: Given, *, expired: bool) -> Check:
    """Tokens are not counted: 128 bits cannot be guessed."""
    if given.qr is None:
        return Check.ABSENT
    read = parse_qr(given.qr)
    if read is None or stop.door_issue == 0 or read[0] != stop.id or not same_token(read[1], key):
        return Check.WRONG
    if door.spent_means == "door_token" and door.spent_by != str(given.by):
        return Check.SPENT
    return Check.EXPIRED if expired else Check.RIGHT


async def _try_code(
    tx: Tx, door: Door, stop: Stop, key: bytes, given: Given, *, expired: bool
) -> Check:
    if given.code is None:
        return Check.ABSENT
    if door.wrong_tries >= MOST_WRONG_TRIES:
        return Check.LOCKED
    if stop.door_issue == 0:
        return Check.WRONG  # nothing was issued, so there is nothing to guess
    if expired:
        return Check.EXPIRED
    if same_code(given.code, key):
        return Check.RIGHT
    wrong = await doors.count_wrong(tx, stop.id)
    return Check.WRONG if wrong is not None and wrong < MOST_WRONG_TRIES else Check.LOCKED


async def known_door(tx: Tx, stop: Stop) -> DoorFacts:
    """Return how a stop's door stands, without trying anything."""
    door = await doors.find(tx, stop.id)
    if door is None:
        return DoorFacts()
    locked = door.wrong_tries >= MOST_WRONG_TRIES
    return DoorFacts(
        code=Check.LOCKED if locked else Check.ABSENT,
        tries_left=MOST_WRONG_TRIES - door.wrong_tries,
        proven=door.spent_at is not None,
    )


def manifest_commitment(keys: Keys, stop_id: UUID, issue: int) -> str:
    """Return the commitment a stop's manifest line carries (``door.commitment``)."""
    return commitment(stop_id, door_token(door_key(keys.master, stop_id, issue)))


def customers_code(keys: Keys, stop_id: UUID, issue: int) -> tuple[str, str]:
    """Return the six digits and the QR's text, for the customer's own page and no other."""
    key = door_key(keys.master, stop_id, issue)
    return door_code(key), qr_text(stop_id, door_token(key))
