"""Litestar providers: who is calling. Handlers ask for ``device`` or ``person``, or it is 401."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import UUID

from litestar.di import NamedDependency

from backend.domain.people import Actor, ActorType
from backend.identity import access, people
from backend.identity.devices import DeviceRevoked
from backend.keys import Keys
from backend.settings import Settings
from backend.store import devices as store
from backend.store.database import Database, Tx, moment
from backend.wire.request_id import AnyRequest

SESSION_COOKIE = "session"
CSRF_COOKIE = "csrf"
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class CallingDevice:
    """The device that calls, and its driver."""

    id: UUID
    driver_id: UUID
    revoked: bool
    public_key: bytes | None

    @cached_property
    def actor(self) -> Actor:
        """How the log names this driver."""
        return Actor(ActorType.DRIVER, str(self.driver_id), str(self.id))


def calling(known: store.KnownDevice) -> CallingDevice:
    """Return a device that was looked up as one that calls."""
    return CallingDevice(known.id, known.driver_id, known.revoked_at is not None, known.public_key)


def named_device(request: AnyRequest, keys: Keys, now: datetime) -> UUID:
    """Return the device a token names; whoever asks for this looks the device up himself.

    Raises:
        TokenInvalid: no token, or none of ours.
        TokenExpired: ours, but over.
    """
    return access.read(keys, _bearer(request), now)


async def any_device(
    request: AnyRequest, db: NamedDependency[Database], keys: NamedDependency[Keys]
) -> CallingDevice:
    """Return the calling device, revoked or not.

    Raises:
        TokenInvalid: no token, or none of ours.
        TokenExpired: ours, but over.
    """
    async with db.snapshot() as tx:
        device_id = access.read(keys, _bearer(request), moment(tx))
        known = await store.known(tx, device_id)
    if known is None:
        raise access.TokenInvalid
    return calling(known)


async def live(tx: Tx, device_id: UUID) -> CallingDevice:
    """Return the device that a token named, if it was not revoked.

    Raises:
        TokenInvalid: there is none.
        DeviceRevoked: it was.
    """
    known = await store.known(tx, device_id)
    if known is None:
        raise access.TokenInvalid
    if known.revoked_at is not None:
        raise DeviceRevoked
    return calling(known)


async def live_device(
    request: AnyRequest, db: NamedDependency[Database], keys: NamedDependency[Keys]
) -> CallingDevice:
    """Return the calling device if it was not revoked.

    Raises:
        DeviceRevoked: it was.
    """
    device = await any_device(request, db, keys)
    if device.revoked:
        raise DeviceRevoked
    return device


async def person(request: AnyRequest, db: NamedDependency[Database]) -> people.SignedIn:
    """Return the person who calls, by bearer token or session cookie.

    Raises:
        SessionOver: nobody is signed in.
        CsrfInvalid: a cookie call that changes something without X-CSRF-Token.
    """
    token, cookie = session_token(request)
    if not token:
        raise people.SessionOver
    return await people.of_session(
        db,
        token,
        cookie=cookie,
        csrf=request.headers.get("x-csrf-token"),
        changes=request.method not in _READING,
    )


def session_token(request: AnyRequest) -> tuple[str, bool]:
    """Return the caller's session token, empty if none, and whether a cookie brought it."""
    bearer = _bearer(request)
    return (bearer, False) if bearer else (request.cookies.get(SESSION_COOKIE, ""), True)


def address_of(request: AnyRequest, settings: Settings) -> str:
    """Return the caller's address; a proxy's word counts only where the settings say so."""
    forwarded = request.headers.get("x-forwarded-for", "") if settings.trust_proxy else ""
    if forwarded:
        return forwarded.rpartition(",")[2].strip()[:64]
    return request.client.host if request.client else "unknown"


def _bearer(request: AnyRequest) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
