"""How a phone becomes a driver's device, and how its tokens rotate.

A refresh token's successor is derived from it and the phone's nonce, so the answer to a repeated
call is the same without storing any token. Any other reuse ends the whole family (RFC 9700 §4.14).
A token that only a lost part of the database knew is believed by its seal, if nothing newer of its
family is known.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from backend.audit.record import Event, record
from backend.domain.people import Actor, ActorType
from backend.errors import Forbidden, NotSignedIn
from backend.identity import access
from backend.identity import refresh as refreshing
from backend.identity.refresh import Told
from backend.identity.tries import ENROLMENT, one_try
from backend.ids import new_id
from backend.keys import Keys, derive
from backend.store import devices as store
from backend.store.database import Database, Tx, moment
from backend.tables.devices import Device, RefreshToken

CODE_LIFE = timedelta(hours=24)
SAME_ANSWER_FOR = timedelta(minutes=10)
# Crockford's base32: nothing that can be misread from a supervisor's screen.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CODE_LENGTH = 10  # 50 bits


class EnrolmentCodeInvalid(NotSignedIn):
    """Wrong, used or expired; which of them is nobody's business."""

    code = "enrolment_code_invalid"
    title = "The enrolment code does not count"


class RefreshInvalid(NotSignedIn):
    """Not a refresh token of ours."""

    code = "refresh_invalid"
    title = "The refresh token is not valid"


class RefreshReused(NotSignedIn):
    """A spent refresh token came again: one of two holders is a thief, so both are out."""

    code = "refresh_reused"
    title = "The refresh token was used before; enrol again"


class DeviceRevoked(Forbidden):
    """The device was revoked by a supervisor."""

    code = "device_revoked"
    title = "This device was revoked"


@dataclass(frozen=True, slots=True)
class Description:
    """What a device says of itself."""

    platform: str
    model: str
    app_version: str
    public_key: bytes | None


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a device gets to call with."""

    device_id: UUID
    driver_id: UUID
    access: access.AccessToken
    refresh_token: str
    server_time: datetime
    epoch: UUID


async def issue_enrolment_code(tx: Tx, keys: Keys, driver_id: UUID) -> tuple[str, datetime]:
    """Make a one-time code for a driver; only its hash is kept."""
    code = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH))
    expires_at = moment(tx) + CODE_LIFE
    await store.add_enrolment_code(tx, _code_hash(keys, code), driver_id, expires_at)
    return code, expires_at


async def enrol(
    db: Database, keys: Keys, code: str, description: Description, address: str
) -> Credentials:
    """Turn an enrolment code into a device.

    Raises:
        EnrolmentCodeInvalid: wrong, used or expired.
        TooManyTries: five wrong from one address within a minute.
    """
    async with one_try(db, f"enrol:{address}", ENROLMENT) as attempt, db.begin() as tx:
        driver_id = await store.spend_enrolment_code(tx, _code_hash(keys, code), moment(tx))
        if driver_id is None:
            raise EnrolmentCodeInvalid
        attempt.was_right()
        device_id = new_id()
        await record(
            tx,
            Actor(ActorType.DRIVER, str(driver_id), str(device_id)),
            Event(
                "device.enrolled",
                Device,
                device_id,
                {
                    "driver_id": driver_id,
                    "platform": description.platform,
                    "model": description.model,
                    "app_version": description.app_version,
                    "public_key": description.public_key,
                    "enrolled_at": moment(tx),
                },
                create=True,
            ),
        )
        await tx.flush()
        store.open_journal(tx, device_id)
        family = new_id()
        token = refreshing.first(keys, device_id, family, moment(tx))
        _keep(tx, token, Told(device_id, family, 1, moment(tx)))
        return await _credentials(tx, keys, device_id, driver_id, token)


async def refresh(db: Database, keys: Keys, token: str, nonce: str) -> Credentials:
    """Exchange a refresh token for its successor; the same call again gets the same successor.

    Raises:
        RefreshInvalid: unknown.
        RefreshReused: spent before, with another nonce or too long ago; the family has ended.
    """
    async with db.begin() as tx:
        credentials = await _rotate(tx, keys, token, nonce)
    if credentials is None:
        raise RefreshReused
    return credentials


async def _rotate(tx: Tx, keys: Keys, token: str, nonce: str) -> Credentials | None:
    held = await store.lock_refresh_token(tx, refreshing.hashed(token))
    if held is None:
        held = await _believed(tx, keys, token)
    device = await store.known(tx, held.device_id) if held else None
    if held is None or device is None:
        raise RefreshInvalid
    if held.ended:
        return None
    spent_at = held.spent_at or moment(tx)
    says = Told(held.device_id, held.family, held.generation + 1, spent_at)
    successor = refreshing.successor(keys, token, nonce, says)
    if held.spent_at is None:
        held.spent_at, held.nonce = spent_at, nonce
        _keep(tx, successor, says)
    elif not await _is_repeat(tx, held.spent_at, held.nonce, nonce, successor):
        await store.end_family(tx, held.family)
        return None
    return await _credentials(tx, keys, device.id, device.driver_id, successor)


async def _believed(tx: Tx, keys: Keys, token: str) -> RefreshToken | None:
    """Take in a token of ours that this database does not know.

    Either a restore has lost it, then it is of a later generation than all we know of its family,
    and no token was given out since it was; or it was spent so long ago that we forgot it, and
    comes again, and its family ends.
    """
    says = refreshing.read(keys, token)
    if says is None or not (family := await store.lock_family(tx, says.family)):
        return None
    if known := await store.lock_refresh_token(tx, refreshing.hashed(token)):
        return known  # somebody brought it while we waited
    ended = any(row.ended for row in family)
    newest = max(family, key=lambda row: row.generation)
    is_newer = says.generation > newest.generation and says.issued_at >= _known_by(newest)
    for row in family:
        row.spent_at, row.ended = row.spent_at or moment(tx), ended or not is_newer
    return _keep(tx, token, says, ended=ended or not is_newer)


def _known_by(token: RefreshToken) -> datetime:
    """Return when a token was issued, as exactly as a token can tell."""
    return token.issued_at.replace(microsecond=token.issued_at.microsecond // 1000 * 1000)


def _keep(tx: Tx, token: str, says: Told, *, ended: bool = False) -> RefreshToken:
    return store.add_refresh_token(
        tx,
        refreshing.hashed(token),
        says.device_id,
        says.family,
        generation=says.generation,
        now=says.issued_at,
        ended=ended,
    )


async def _is_repeat(
    tx: Tx, spent_at: datetime, spent_nonce: str | None, nonce: str, successor: str
) -> bool:
    """Say whether this is the same call again: a reply lost on the road is normal."""
    if spent_nonce != nonce or moment(tx) - spent_at > SAME_ANSWER_FOR:
        return False
    given = await store.lock_refresh_token(tx, refreshing.hashed(successor))
    return given is not None and given.spent_at is None


async def _credentials(
    tx: Tx, keys: Keys, device_id: UUID, driver_id: UUID, refresh_token: str
) -> Credentials:
    now = moment(tx)
    token = access.issue(keys, device_id, now)
    return Credentials(device_id, driver_id, token, refresh_token, now, await store.epoch(tx))


async def revoke(tx: Tx, actor: Actor, device_id: UUID) -> None:
    """Revoke a device; doing it twice is harmless."""
    device = await store.known(tx, device_id)
    if device is not None and device.revoked_at is None:
        change = {"revoked_at": moment(tx)}
        await record(tx, actor, Event("device.revoked", Device, device_id, change))


def _code_hash(keys: Keys, code: str) -> bytes:
    """Hash a code as typed: case and separators do not matter, O reads as 0, I and L as 1."""
    plain = "".join(character for character in code.upper() if character.isalnum())
    plain = plain.translate(str.maketrans("OIL", "011"))
    return hmac.digest(derive(keys.master, "enrolment"), plain.encode(), sha256)
