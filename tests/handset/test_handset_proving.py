"""What a driver says of a visit that is over counts for its proof at once."""

from uuid import UUID

import pytest

from backend.tables.stops import Stop
from handset import Handset
from tests.fixtures.visits import a_round
from tests.handset.clocks import PhoneClock
from tests.handset.conftest import Bench
from tests.handset.console import supervising

pytestmark = pytest.mark.anyio


async def _proof(bench: Bench, stop: str) -> str:
    async with bench.db.snapshot() as tx:
        return (await tx.get_one(Stop, UUID(stop))).proof


async def _out(bench: Bench, driver: UUID) -> Handset:
    phone = bench.phone(clock=PhoneClock(bench.clock))
    await phone.enrol(await bench.code(driver))
    await phone.sync()
    return phone


async def test_a_note_that_was_missing_completes_the_proof(bench: Bench) -> None:
    """The segment asks for one with every failure; it comes a sync later, and is all there is."""
    made = await a_round(bench.db, "business")
    stop, phone = str(made.stops["business"]), await _out(bench, made.driver)
    phone.fail(stop, "not_home")
    await phone.sync()
    assert await _proof(bench, stop) == "awaited"
    phone.note(stop, "rang twice, and the gate was shut")
    await phone.sync()
    assert await _proof(bench, stop) == "accepted"
    phone.note(stop, "and once more")
    await phone.sync()
    assert await _proof(bench, stop) == "accepted"


async def test_a_note_proves_what_the_office_closed(bench: Bench) -> None:
    """A supervisor calls the visit failed; the driver's word is what his segment wants of it."""
    made = await a_round(bench.db, "business")
    stop, phone = str(made.stops["business"]), await _out(bench, made.driver)
    override = {"to": "failed", "reason": "correction", "note": "asked for on the phone"}
    async with supervising(bench, made) as console:
        path = f"/console/v1/stops/{stop}/override"
        answer = await console.post(path, json={**override, "idempotency_key": "once"})
    assert answer.status_code == 200, answer.text
    assert await _proof(bench, stop) == "awaited"
    phone.note(stop, "nobody there, and the gate was shut")
    await phone.sync()
    assert await _proof(bench, stop) == "accepted"
