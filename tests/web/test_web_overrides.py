"""Overrides over HTTP, as the contract words them."""

from uuid import uuid4

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from backend.domain.people import Role
from backend.store.database import Database
from tests.fixtures.people import Somebody, a_person
from tests.fixtures.visits import Round, a_round

pytestmark = pytest.mark.anyio

Client = AsyncTestClient[Litestar]


def wish(**changes: object) -> dict[str, object]:
    """A well-formed override."""
    return {
        "to": "delivered",
        "proof": "waived",
        "reason": "customer_confirmed",
        "note": "The customer called and confirmed it",
        "idempotency_key": uuid4().hex,
        **changes,
    }


def path(stop: object) -> str:
    """The path of a stop's override."""
    return f"/console/v1/stops/{stop}/override"


async def test_reasons_name_the_ends_they_justify(client: Client, boss: Somebody) -> None:
    """The catalogue is what the form offers."""
    answer = await client.get("/console/v1/reasons?for=override", headers=boss.headers)
    items = answer.json()["items"]
    assert {"code", "label", "to"} == set(items[0])
    assert (await client.get("/console/v1/reasons", headers=boss.headers)).status_code == 200
    odd = await client.get("/console/v1/reasons?for=fun", headers=boss.headers)
    assert odd.status_code == 400


async def test_an_override_is_done_and_shown_on_the_timeline(
    client: Client, boss: Somebody, made: Round
) -> None:
    """200 with the stop; its event names a person and an entry."""
    stop = made.stops["standard"]
    answer = await client.post(path(stop), headers=boss.headers, json=wish())
    assert answer.status_code == 200
    body = answer.json()
    assert body["state"] == "done"
    assert (body["stop"]["state"], body["stop"]["proof"]) == ("delivered", "waived")
    told = await client.get(f"/console/v1/stops/{stop}/timeline", headers=boss.headers)
    last = told.json()["items"][-1]
    assert (last["kind"], last["source"]) == ("stop.overridden", "person")
    assert len(last["entry"]) == 64
    assert {"id", "happened", "known", "findings", "evidence", "mutation_id"} <= set(last)


async def test_without_a_waiver_the_proof_is_judged(
    client: Client, boss: Somebody, made: Round
) -> None:
    """A business delivery asks for a signature whatever the method; it is awaited."""
    stop = made.stops["business"]
    body = wish()
    del body["proof"]
    answer = await client.post(path(stop), headers=boss.headers, json=body)
    assert answer.json()["stop"]["proof"] == "awaited"


async def test_a_premium_stop_needs_a_second_person(
    client: Client, boss: Somebody, db: Database, made: Round
) -> None:
    """202, then 403 for the same person, then 200 for another."""
    other = await a_person(db, client, Role.SUPERVISOR, made.depot)
    waits = await client.post(path(made.stops["premium"]), headers=boss.headers, json=wish())
    assert (waits.status_code, waits.json()["state"]) == (202, "awaiting_second")
    confirm = f"/console/v1/overrides/{waits.json()['id']}/confirm"
    same = await client.post(confirm, headers=boss.headers)
    assert (same.status_code, same.json()["code"]) == (403, "second_person_required")
    done = await client.post(confirm, headers=other.headers)
    assert (done.status_code, done.json()["state"]) == (200, "done")
    assert done.json()["stop"]["state"] == "delivered"
    stranger = await a_person(db, client, Role.SUPERVISOR, (await a_round(db)).depot)
    assert (await client.post(confirm, headers=stranger.headers)).status_code == 404


async def test_a_repeat_is_the_same_answer_and_a_reused_key_is_not(
    client: Client, boss: Somebody, made: Round
) -> None:
    """Same key: same answer; other content: 409."""
    body, stop = wish(), made.stops["standard"]
    first = await client.post(path(stop), headers=boss.headers, json=body)
    again = await client.post(path(stop), headers=boss.headers, json=body)
    assert (again.status_code, again.json()) == (200, first.json())
    other = await client.post(
        path(stop), headers=boss.headers, json={**body, "note": "another reason altogether"}
    )
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    final = await client.post(path(stop), headers=boss.headers, json=wish())
    assert (final.status_code, final.json()["code"]) == (409, "stop_final")


@pytest.mark.parametrize(
    "changes",
    [
        {"note": "short"},
        {"note": "          "},
        {"reason": "no such reason"},
        {"reason": "customer_cancelled"},
        {"to": "planned"},
        {"proof": "accepted"},
        {"idempotency_key": ""},
        {"note": 12},
    ],
)
async def test_a_malformed_override_is_400(
    client: Client, boss: Somebody, made: Round, changes: dict[str, object]
) -> None:
    """Each fault is pointed at, and the stop stays as it was."""
    answer = await client.post(
        path(made.stops["standard"]), headers=boss.headers, json=wish(**changes)
    )
    assert answer.status_code == 400
    assert answer.json()["errors"]


async def test_a_stop_of_another_depot_is_not_there(
    client: Client, boss: Somebody, db: Database
) -> None:
    """Foreign, unknown and malformed ids get one answer."""
    foreign = (await a_round(db)).stops["standard"]
    for stop in (foreign, uuid4(), "not-an-id", "0"):
        answer = await client.post(path(stop), headers=boss.headers, json=wish())
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
