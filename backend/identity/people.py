"""People sign in with a password (Argon2id) and get a session: a cookie, or a bearer token."""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

import anyio.to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from backend.audit.record import Event, record
from backend.domain.people import SYSTEM, Actor, ActorType, Role
from backend.errors import Forbidden, NotFound, NotSignedIn
from backend.identity.tries import SIGN_IN, one_try
from backend.ids import new_id
from backend.store import people as store
from backend.store.database import Database, Tx, moment
from backend.tables.people import Person

SESSION_LIFE = timedelta(hours=12)
# OWASP's lower setting: 19 MiB, two passes; about 15 ms, in a thread.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# Verified when the account is unknown, so that both cases take as long.
_NOBODY = _hasher.hash(secrets.token_hex(16))


class SignInFailed(NotSignedIn):
    """No such account or wrong password; which of them is not told."""

    code = "sign_in_failed"
    title = "E-mail address or password is wrong"


class SessionOver(NotSignedIn):
    """No session, or one that ended."""

    code = "session_over"
    title = "Sign in first"


class RoleForbidden(Forbidden):
    """Signed in, but the role is too low for this."""

    code = "role_forbidden"
    title = "Your role does not allow this"


class CsrfInvalid(Forbidden):
    """A cookie call that changes something lacks the matching X-CSRF-Token."""

    code = "csrf_invalid"
    title = "The X-CSRF-Token header must equal the csrf cookie"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The person who calls, and what he may see."""

    id: UUID
    email: str
    role: Role
    depot_codes: tuple[str, ...]
    depot_ids: frozenset[UUID]

    @property
    def actor(self) -> Actor:
        """How the log names this person."""
        return Actor(ActorType.PERSON, str(self.id))

    @property
    def sees_all(self) -> bool:
        """Compliance and administrators see every depot."""
        return self.role is not Role.SUPERVISOR

    @property
    def scope(self) -> frozenset[UUID] | None:
        """Depots to filter by; None for all."""
        return None if self.sees_all else self.depot_ids

    def sees(self, depot_id: UUID | None) -> bool:
        """Whether something of this depot is in scope."""
        return self.sees_all or (depot_id is not None and depot_id in self.depot_ids)

    def must_see(self, depot_id: UUID | None) -> None:
        """Refuse what is out of scope as if it were not there.

        Raises:
            NotFound: out of scope.
        """
        if not self.sees(depot_id):
            raise NotFound

    def must_be(self, *roles: Role) -> None:
        """Refuse other roles; administrators may do what supervisors and compliance may.

        Raises:
            RoleForbidden: the role is not among them.
        """
        if self.role is not Role.ADMIN and self.role not in roles:
            raise RoleForbidden


@dataclass(frozen=True, slots=True)
class Opened:
    """A session just opened."""

    token: str
    csrf: str
    expires_at: datetime
    person: SignedIn


async def sign_in(db: Database, email: str, password: str, address: str) -> Opened:
    """Open a session.

    Raises:
        SignInFailed: wrong.
        TooManyTries: five wrong for this account and address within 15 minutes.
    """
    async with one_try(db, f"sign-in:{email.lower()}:{address}"[:500], SIGN_IN) as attempt:
        async with db.snapshot() as tx:
            person = await store.by_email(tx, email)
        known_hash = person.password_hash if person else _NOBODY
        fits = await anyio.to_thread.run_sync(_verify, known_hash, password)
        if person is None or not fits:
            raise SignInFailed
        attempt.was_right()
    token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(16)
    async with db.begin() as tx:
        expires_at = moment(tx) + SESSION_LIFE
        store.add_session(tx, _hash(token), person.id, csrf, expires_at)
    return Opened(token, csrf, expires_at, _signed_in(person))


async def of_session(
    db: Database, token: str, *, cookie: bool, csrf: str | None, changes: bool
) -> SignedIn:
    """Return who holds a session.

    Raises:
        SessionOver: nobody.
        CsrfInvalid: a cookie call that changes something without the header.
    """
    async with db.snapshot() as tx:
        person = await store.by_session(tx, _hash(token), moment(tx))
    if person is None:
        raise SessionOver
    expected = (person.csrf or "").encode()
    if cookie and changes and not hmac.compare_digest((csrf or "").encode(), expected):
        raise CsrfInvalid
    return _signed_in(person)


async def sign_out(db: Database, token: str) -> None:
    """End a session."""
    async with db.begin() as tx:
        await store.end_session(tx, _hash(token))


async def add_person(
    tx: Tx, email: str, role: Role, depots: list[str], password: str, actor: Actor = SYSTEM
) -> UUID:
    """Add somebody who can sign in, or change password, role and depots of one who can already."""
    password_hash = await anyio.to_thread.run_sync(_hasher.hash, password)
    change = {"role": role.value, "depots": depots, "password_hash": password_hash}
    known = await store.by_email(tx, email)
    if known is not None:
        await record(tx, actor, Event("person.changed", Person, known.id, change))
        return known.id
    person_id = new_id()
    change["email"] = email.lower()
    await record(tx, actor, Event("person.added", Person, person_id, change, create=True))
    return person_id


def _verify(known_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(known_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def _signed_in(person: store.KnownPerson) -> SignedIn:
    return SignedIn(
        person.id, person.email, Role(person.role), person.depot_codes, person.depot_ids
    )


def _hash(token: str) -> bytes:
    return sha256(token.encode()).digest()
