"""Sessions: the cookie and its CSRF word, the bearer token, and the limit on guesses."""

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from backend.domain.people import Role
from backend.store.database import Database
from tests.fixtures.clock import FakeClock
from tests.fixtures.people import PASSWORD, Somebody, a_person

pytestmark = pytest.mark.anyio

SIGN_IN = "/console/v1/sign-in"


async def test_signing_in_gives_a_token_and_two_cookies(
    client: AsyncTestClient[Litestar], boss: Somebody
) -> None:
    """The session cookie is out of reach of scripts and other sites; the CSRF word is readable."""
    answer = await client.post(SIGN_IN, json={"email": boss.email.upper(), "password": PASSWORD})
    assert answer.status_code == 200
    body = answer.json()
    assert body["person"]["role"] == "supervisor"
    assert body["person"]["email"] == boss.email
    assert len(body["person"]["depots"]) == 1
    assert body["expires_at"].endswith("Z")
    session, csrf = sorted(answer.headers.get_list("set-cookie"), key=lambda c: "csrf=" in c)
    assert "HttpOnly" in session
    assert "samesite=strict" in session.lower()
    assert "HttpOnly" not in csrf


async def test_a_cookie_call_that_changes_something_needs_the_csrf_word(
    client: AsyncTestClient[Litestar], boss: Somebody
) -> None:
    """Without the header 403, with it the session ends; reading needs none."""
    await client.post(SIGN_IN, json={"email": boss.email, "password": PASSWORD})
    assert (await client.get("/console/v1/me")).status_code == 200
    refused = await client.post("/console/v1/sign-out")
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_invalid")
    word = {"X-CSRF-Token": client.cookies["csrf"]}
    assert (await client.post("/console/v1/sign-out", headers=word)).status_code == 204
    assert (await client.get("/console/v1/me")).status_code == 401


async def test_a_session_ends_with_its_token(
    client: AsyncTestClient[Litestar], boss: Somebody, clock: FakeClock
) -> None:
    """Signing out, or time, ends what the bearer token could do."""
    assert (await client.get("/console/v1/me", headers=boss.headers)).status_code == 200
    clock.advance(hours=13)
    assert (await client.get("/console/v1/me", headers=boss.headers)).status_code == 401


async def test_the_sixth_guess_is_too_many_even_if_right(
    client: AsyncTestClient[Litestar], boss: Somebody, clock: FakeClock
) -> None:
    """Five wrong in a quarter of an hour; then 429 with Retry-After until it is over."""
    for _ in range(5):
        wrong = await client.post(SIGN_IN, json={"email": boss.email, "password": "guess"})
        assert (wrong.status_code, wrong.json()["code"]) == (401, "sign_in_failed")
    locked = await client.post(SIGN_IN, json={"email": boss.email, "password": PASSWORD})
    assert locked.status_code == 429
    assert int(locked.headers["retry-after"]) > 0
    clock.advance(minutes=16)
    right = await client.post(SIGN_IN, json={"email": boss.email, "password": PASSWORD})
    assert right.status_code == 200


async def test_unknown_and_malformed_sign_ins_are_refused(
    client: AsyncTestClient[Litestar],
) -> None:
    """Nobody learns which accounts exist; broken input is 400."""
    unknown = {"email": "nobody@example.org", "password": "x"}
    assert (await client.post(SIGN_IN, json=unknown)).status_code == 401
    assert (await client.post(SIGN_IN, json={"email": "a@b.c"})).status_code == 400
    assert (await client.post(SIGN_IN, content=b"[" * 5_000)).status_code == 400
    assert (await client.post(SIGN_IN, content=b'{"email": "\xff"}')).status_code == 400


async def test_a_role_that_is_too_low_is_told_so(
    client: AsyncTestClient[Litestar], db: Database
) -> None:
    """Compliance reads everything and overrides nothing."""
    reader = await a_person(db, client, Role.COMPLIANCE)
    assert (await client.get("/console/v1/inbox", headers=reader.headers)).status_code == 200
    path = "/console/v1/stops/00000000-0000-7000-8000-000000000000/override"
    refused = await client.post(path, headers=reader.headers, json={})
    assert (refused.status_code, refused.json()["code"]) == (403, "role_forbidden")
