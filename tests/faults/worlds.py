"""A depot with released routes, and who works on them: phones on the road, people in the office."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from backend.domain.people import Role
from backend.identity.devices import issue_enrolment_code
from backend.identity.people import add_person
from backend.ids import new_id
from backend.keys import load_keys
from backend.settings import Settings
from backend.store.database import Database
from backend.tables.fleet import Depot
from handset import Handset
from handset.session import Device
from handset.transport import Patience
from handset.uploads import Uploads
from tests.fixtures.visits import Round, a_round

PASSWORD = "correct horse battery"
# A server that is being killed is back within moments; nobody here waits for long.
PATIENCE = Patience(attempts=2, timeout_s=10, first_wait_s=0.02, longest_wait_s=0.1)
_PIECE = 24 * 1024
_SEGMENTS = ("standard", "economy", "business", "standard")


@dataclass
class World:
    """An installation with work to do."""

    settings: Settings
    depot: UUID
    rounds: list[Round]
    codes: list[str]
    people: list[str] = field(default_factory=list)


async def a_world(
    settings: Settings, db: Database, *, drivers: int, stops: int, people: int = 2
) -> World:
    """Record a depot with so many drivers, so many stops each, and supervisors."""
    keys = load_keys(settings.data, log_name=settings.log_name)
    names = [_SEGMENTS[k % len(_SEGMENTS)] for k in range(stops)]
    rounds = [await a_round(db, *names, keys=keys)]
    depot = rounds[0].depot
    rounds += [await a_round(db, *names, keys=keys, depot=depot) for _ in range(drivers - 1)]
    world = World(settings, depot, rounds, [])
    async with db.begin() as tx:
        for each in rounds:
            world.codes.append((await issue_enrolment_code(tx, keys, each.driver))[0])
        code = (await tx.get_one(Depot, depot)).code
        for _ in range(people):
            email = f"{new_id().hex}@example.org"
            await add_person(tx, email, Role.SUPERVISOR, [code], PASSWORD)
            world.people.append(email)
    return world


async def a_code(world: World, db: Database, driver: UUID) -> str:
    """Issue one more enrolment code for a driver."""
    keys = load_keys(world.settings.data, log_name=world.settings.log_name)
    async with db.begin() as tx:
        return (await issue_enrolment_code(tx, keys, driver))[0]


async def a_phone_of(code: str, url: str, folder: Path) -> Handset:
    """Switch on a phone and enrol it."""
    phone = Handset(
        folder, url, device=Device(model="reference"), patience=PATIENCE, synchronous="NORMAL"
    )
    # Small pieces, so that a photo takes several requests.
    phone.uploads = Uploads(phone.shelf, phone.session, chunk=_PIECE)
    await phone.enrol(code)
    return phone


@asynccontextmanager
async def phones(world: World, url: str, folder: Path) -> AsyncIterator[list[Handset]]:
    """Switch on a phone for each driver and enrol it."""
    made: list[Handset] = []
    try:
        for number, code in enumerate(world.codes):
            made.append(await a_phone_of(code, url, folder / f"phone-{number}"))
        yield made
    finally:
        for phone in made:
            await phone.close()
