"""Follow-ups in the console: listed, shown with the question they belong to, done once."""

import re
from uuid import uuid4

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from backend.dispatch.follow_ups import open_follow_up
from backend.dispatch.inbox import open_item
from backend.domain.follow_up import FollowUpKind
from backend.domain.inbox import InboxKind
from backend.domain.people import Role
from backend.store.database import Database
from tests.fixtures.people import PASSWORD, Somebody, a_person
from tests.fixtures.visits import Round, a_round

pytestmark = pytest.mark.anyio
Client = AsyncTestClient[Litestar]
PATH = "/console/v1/follow-ups"


async def delivered_after_cancel(db: Database, made: Round) -> str:
    """Open what a delivery over a cancel opens; return the mutation."""
    mutation, stop = uuid4(), made.stops["standard"]
    async with db.begin() as tx:
        await open_item(
            tx,
            kind=InboxKind.CONFLICT,
            subject=f"mutation:{mutation}",
            detail="stop.delivered while cancelled",
            stop_id=stop,
            mutation_id=mutation,
        )
        await open_follow_up(tx, FollowUpKind.RETURN, stop, mutation)
    return str(mutation)


async def test_a_follow_up_is_listed_and_done_twice_without_harm(
    client: Client, boss: Somebody, db: Database, made: Round
) -> None:
    """The second word is a 200 that changes nothing."""
    mutation = await delivered_after_cancel(db, made)
    (task,) = (await client.get(f"{PATH}?state=open", headers=boss.headers)).json()["items"]
    assert (task["kind"], task["state"], task["mutation_id"]) == ("return", "open", mutation)
    assert task["stop_id"] == str(made.stops["standard"])
    answers = [await client.post(f"{PATH}/{task['id']}/done", headers=boss.headers) for _ in "12"]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["state"] == "done"
    assert answers[0].json()["done_at"]
    left = await client.get(f"{PATH}?state=open", headers=boss.headers)
    assert left.json() == {"items": [], "next": None}
    (done,) = (await client.get(f"{PATH}?state=done", headers=boss.headers)).json()["items"]
    assert done == answers[0].json()


async def test_the_question_shows_what_follows_from_its_mutation(
    client: Client, boss: Somebody, db: Database, made: Round
) -> None:
    """In the list and in the answer; answering the question leaves the task open."""
    mutation = await delivered_after_cancel(db, made)
    (item,) = (await client.get("/console/v1/inbox?state=open", headers=boss.headers)).json()[
        "items"
    ]
    assert [task["mutation_id"] for task in item["follow_ups"]] == [mutation]
    path, body = f"/console/v1/inbox/{item['id']}/resolve", {"action": "acknowledged"}
    answered = (await client.post(path, headers=boss.headers, json=body)).json()
    assert [task["state"] for task in answered["follow_ups"]] == ["open"]


async def test_a_follow_up_of_another_depot_is_not_there(
    client: Client, boss: Somebody, db: Database
) -> None:
    """Neither listed nor to be done; a reader of everything may look and not touch."""
    other = await a_round(db, "standard")
    await delivered_after_cancel(db, other)
    reader = await a_person(db, client, Role.COMPLIANCE)
    listed = (await client.get(PATH, headers=reader.headers)).json()["items"]
    (foreign,) = [t for t in listed if t["stop_id"] == str(other.stops["standard"])]
    mine = (await client.get(PATH, headers=boss.headers)).json()["items"]
    assert foreign["id"] not in {task["id"] for task in mine}
    for absent in (foreign["id"], str(uuid4()), "x"):
        answer = await client.post(f"{PATH}/{absent}/done", headers=boss.headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    refused = await client.post(f"{PATH}/{foreign['id']}/done", headers=reader.headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "role_forbidden")
    odd = await client.get(f"{PATH}?state=x", headers=boss.headers)
    assert (odd.status_code, odd.json()["errors"][0]["pointer"]) == (400, "/state")


async def test_the_inbox_page_has_a_button_for_it(
    client: Client, boss: Somebody, db: Database, made: Round
) -> None:
    """Done, it is shown as done beside its question; the form needs the session's word."""
    await delivered_after_cancel(db, made)
    form = {"email": boss.email, "password": PASSWORD, "next": "/console/inbox"}
    page = (await client.post("/console/sign-in", data=form)).text
    action = re.search(r'action="(/console/follow-ups/[^"]+)"', page)
    word = re.search(r'name="csrf" value="([^"]+)"', page)
    assert action is not None
    assert word is not None
    stop = (await client.get(f"/console/stops/{made.stops['standard']}")).text
    assert re.search(r'pill return">return</span> <a href="/console/inbox"', stop)
    assert (await client.post(action[1], data={"csrf": "x"})).status_code == 403
    for _ in range(2):
        done = await client.post(action[1], data={"csrf": word[1], "state": "open"})
        assert "Done." in done.text
        assert action[1] not in done.text
        assert "stop.delivered while cancelled" in done.text
    stop = (await client.get(f"/console/stops/{made.stops['standard']}")).text
    assert re.search(r'pill return">return</span> <span class="soft">done', stop)
