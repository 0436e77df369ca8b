"""Somebody at the console of the installation that a bench's phones call."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import httpx

from backend.domain.people import Role
from backend.identity.people import add_person
from backend.tables.fleet import Depot
from tests.fixtures.people import PASSWORD
from tests.fixtures.visits import Round
from tests.handset.conftest import Bench


@asynccontextmanager
async def looking_on(bench: Bench) -> AsyncIterator[httpx.AsyncClient]:
    """Compliance, which sees everything and changes nothing."""
    async with _signed_in(bench, Role.COMPLIANCE) as client:
        yield client


@asynccontextmanager
async def supervising(bench: Bench, made: Round) -> AsyncIterator[httpx.AsyncClient]:
    """The supervisor of a round's depot."""
    async with _signed_in(bench, Role.SUPERVISOR, made.depot) as client:
        yield client


@asynccontextmanager
async def _signed_in(bench: Bench, role: Role, *depots: UUID) -> AsyncIterator[httpx.AsyncClient]:
    asked = {"email": f"{uuid4().hex}@example.org", "password": PASSWORD}
    async with bench.db.begin() as tx:
        codes = [(await tx.get_one(Depot, depot)).code for depot in depots]
        await add_person(tx, asked["email"], role, codes, PASSWORD)
    async with httpx.AsyncClient(transport=bench.line, base_url="http://doorstep.test") as client:
        answer = await client.post("/console/v1/sign-in", json=asked)
        client.cookies.clear()
        client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        yield client
