"""Sign in, sign out, and who one is: a session as cookie, or the same token as bearer."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.datastructures import Cookie, State
from litestar.di import NamedDependency
from msgspec import Meta

from backend.clock import rfc3339
from backend.identity import people
from backend.identity.callers import CSRF_COOKIE, SESSION_COOKIE, address_of, session_token
from backend.identity.people import SignedIn
from backend.settings import Settings
from backend.store.database import Database
from backend.wire.json import read_json

_TEXT = r"^[^\x00]*$"


class SignInIn(msgspec.Struct, frozen=True):
    """What a person proves himself with."""

    email: Annotated[str, Meta(min_length=1, max_length=254, pattern=_TEXT)]
    password: Annotated[str, Meta(min_length=1, max_length=1_000, pattern=_TEXT)]


class PersonOut(msgspec.Struct, frozen=True):
    """A person; ``depots`` are codes, compliance and administrators see all without any."""

    id: UUID
    email: str
    role: str
    depots: list[str]


class SignedInOut(msgspec.Struct, frozen=True):
    """An opened session."""

    token: str
    expires_at: str
    person: PersonOut


class SignInController(Controller):
    """Sessions of the control room."""

    @post(
        "/sign-in", opt={"public": True, "body": SignInIn}, status_code=200, operation_id="signIn"
    )
    async def sign_in(
        self,
        request: Request[None, None, State],
        db: NamedDependency[Database],
        settings: NamedDependency[Settings],
    ) -> Response[SignedInOut]:
        """Open a session; the cookie and the bearer token are the same."""
        asked = await read_json(request, SignInIn)
        address = address_of(request, settings)
        opened = await people.sign_in(db, asked.email, asked.password, address)
        body = SignedInOut(opened.token, rfc3339(opened.expires_at), person_out(opened.person))
        return Response(
            body,
            status_code=200,
            cookies=session_cookies(opened, settings),
            headers={"Cache-Control": "no-store"},
        )

    @post("/sign-out", status_code=204, operation_id="signOut")
    async def sign_out(
        self,
        request: Request[None, None, State],
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
    ) -> Response[None]:
        """End the session; what it could do is over at once."""
        del person  # asked for so that only its holder, with the CSRF header, ends a session
        await people.sign_out(db, session_token(request)[0])
        return Response(None, status_code=204, cookies=ended_cookies())

    @get("/me", operation_id="whoAmI")
    async def me(self, person: NamedDependency[SignedIn]) -> PersonOut:
        """Return who is signed in."""
        return person_out(person)


def person_out(person: SignedIn) -> PersonOut:
    """Write a person for the wire."""
    return PersonOut(person.id, person.email, person.role.value, list(person.depot_codes))


def session_cookies(opened: people.Opened, settings: Settings) -> list[Cookie]:
    """Return the cookies of a session: the token scripts cannot read, the CSRF word they must."""
    life = int(people.SESSION_LIFE.total_seconds())
    secure = settings.cookie_secure
    return [
        Cookie(
            SESSION_COOKIE,
            value=opened.token,
            max_age=life,
            httponly=True,
            secure=secure,
            samesite="strict",
        ),
        Cookie(CSRF_COOKIE, value=opened.csrf, max_age=life, secure=secure, samesite="strict"),
    ]


def ended_cookies() -> list[Cookie]:
    """Return the cookies that make a browser forget a session."""
    return [
        Cookie(SESSION_COOKIE, value="", max_age=0, httponly=True, samesite="strict"),
        Cookie(CSRF_COOKIE, value="", max_age=0, samesite="strict"),
    ]
