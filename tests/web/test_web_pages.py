"""The console's pages as a browser without scripts sees them."""

import logging
import re
from html import unescape

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient, RequestFactory

from backend.dispatch.inbox import open_item
from backend.domain.inbox import ACCEPTED, ACKNOWLEDGED, InboxKind
from backend.domain.people import Role
from backend.store.database import Database
from backend.tables.stops import Stop
from tests.fixtures.people import PASSWORD, Somebody, a_person
from tests.fixtures.visits import Round, a_round
from web.console.way_in import page_fault

pytestmark = pytest.mark.anyio

Client = AsyncTestClient[Litestar]


def field(page: str, name: str) -> str:
    """Return a hidden field's value."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None
    return unescape(found[1])


async def way_in(client: Client, who: Somebody, onward: str = "") -> str:
    """Sign in through the form; return where it leads."""
    fields = {"email": who.email, "password": PASSWORD, "next": onward}
    answer = await client.post("/console/sign-in", data=fields, follow_redirects=False)
    assert answer.status_code == 303
    return str(answer.headers["location"])


async def test_the_bare_address_leads_to_the_way_in(client: Client) -> None:
    """A stranger gets the sign-in page, with a policy that allows no inline code."""
    answer = await client.get("/")
    assert answer.status_code == 200
    assert str(answer.url.path).rstrip("/") == "/console"
    assert 'name="password"' in answer.text
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy


@pytest.mark.parametrize("path", ["routes/x", "stops/x", "inbox"])
async def test_a_stranger_is_asked_in_and_led_back(client: Client, path: str) -> None:
    """401 with the form; after signing in he is where he wanted to be."""
    answer = await client.get(f"/console/{path}")
    assert answer.status_code == 401
    assert field(answer.text, "next") == f"/console/{path}"


@pytest.mark.parametrize(
    "onward", ["https://evil.example/", "//evil.example", "/t/x", "/console//x"]
)
async def test_signing_in_never_leads_elsewhere(
    client: Client, boss: Somebody, onward: str
) -> None:
    """Whatever the form says, it stays on this console."""
    assert await way_in(client, boss, onward) == "/console/"


async def test_a_wrong_password_is_told_beside_the_form(client: Client, boss: Somebody) -> None:
    """401, and the address typed is kept."""
    fields = {"email": boss.email, "password": "wrong", "next": ""}
    answer = await client.post("/console/sign-in", data=fields)
    assert answer.status_code == 401
    assert "is wrong" in answer.text
    assert boss.email in answer.text


async def test_the_day_leads_to_routes_and_stops(
    client: Client, boss: Somebody, made: Round
) -> None:
    """Each page shows what is in scope and links to the next; nothing is inline code."""
    await way_in(client, boss)
    day = await client.get("/console/")
    assert "Grace Hopper" in day.text
    route = await client.get(f"/console/routes/{made.route}")
    assert "Edgar Poe" in route.text
    assert "<circle" in route.text
    stop = await client.get(f"/console/stops/{made.stops['premium']}")
    assert "stop.released" in stop.text
    for page in (day, route, stop):
        assert page.status_code == 200
        assert not re.search(r"<script>|\sstyle=|\son\w+=|<style", page.text)
    empty = await client.get("/console/?date=2020-01-01")
    assert "No routes on this day" in empty.text
    assert (await client.get("/console/?date=today")).status_code == 400


async def test_an_override_is_made_with_the_form(
    client: Client, boss: Somebody, db: Database, made: Round
) -> None:
    """A short note is told beside the form; then it is done, and twice is once."""
    await way_in(client, boss)
    path = f"/console/stops/{made.stops['standard']}"
    page = (await client.get(path)).text
    fields = {
        "csrf": field(page, "csrf"),
        "idempotency_key": field(page, "idempotency_key"),
        "what": "delivered:customer_confirmed",
        "proof": "waived",
        "note": "short",
    }
    wrong = await client.post(f"{path}/override", data=fields)
    assert wrong.status_code == 400
    assert 'role="alert"' in wrong.text
    for _ in range(2):
        done = await client.post(
            f"{path}/override", data={**fields, "note": "She called: <b>got it</b>"}
        )
        assert done.status_code == 200
        assert "written in the log" in done.text
        assert "&lt;b&gt;got it" in done.text
    async with db.snapshot() as tx:
        stop = await tx.get_one(Stop, made.stops["standard"])
    assert (stop.state, stop.proof, stop.version) == ("delivered", "waived", 2)


async def test_a_second_person_confirms_with_a_button(
    client: Client, boss: Somebody, db: Database, made: Round
) -> None:
    """The first sees that it waits, the second confirms, the inbox is empty again."""
    await way_in(client, boss)
    path = f"/console/stops/{made.stops['premium']}"
    page = (await client.get(path)).text
    fields = {
        "csrf": field(page, "csrf"),
        "idempotency_key": field(page, "idempotency_key"),
        "what": "delivered:customer_confirmed",
        "note": "She called: <b>got it</b>",
    }
    waits = (await client.post(f"{path}/override", data=fields)).text
    assert "Another supervisor has to confirm" in waits
    assert "&lt;b&gt;got it" in waits
    other = await a_person(db, client, Role.SUPERVISOR, made.depot)
    await way_in(client, other)
    assert "waits for another person" in (await client.get("/console/inbox")).text
    page = (await client.get(path)).text
    action = re.search(r'action="(/console/overrides/[^"]+)"', page)
    assert action is not None
    done = await client.post(action[1], data={"csrf": field(page, "csrf")})
    assert "Confirmed." in done.text
    assert "Nothing waits for you" in (await client.get("/console/inbox")).text


async def test_a_form_without_the_session_word_changes_nothing(
    client: Client, boss: Somebody, made: Round
) -> None:
    """403 without it or with another, from another site, and for readers; 404 out of scope."""
    await way_in(client, boss)
    path = f"/console/stops/{made.stops['standard']}"
    word = field((await client.get(path)).text, "csrf")
    wish = {"what": "delivered:customer_confirmed", "note": "long enough to say", "csrf": "x"}
    assert (await client.post(f"{path}/override", data=wish)).status_code == 403
    foreign = await client.post(
        f"{path}/override",
        data={**wish, "csrf": word},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert foreign.status_code == 403
    elsewhere = await client.post("/console/stops/x/override", data={**wish, "csrf": word})
    assert elsewhere.status_code == 404
    odd = await client.post(f"{path}/override", content=b"csrf=%ff")
    assert odd.status_code == 400


async def test_another_depot_is_not_there(client: Client, boss: Somebody, db: Database) -> None:
    """Pages of a foreign route or stop are 404 pages."""
    other = await a_round(db)
    await way_in(client, boss)
    for path in (f"routes/{other.route}", f"stops/{other.stops['standard']}", "routes/x"):
        answer = await client.get(f"/console/{path}")
        assert answer.status_code == 404
        assert "Poe" not in answer.text


async def test_a_reader_sees_and_changes_nothing(client: Client, db: Database, made: Round) -> None:
    """Compliance gets the page without the form, and 403 for trying."""
    reader = await a_person(db, client, Role.COMPLIANCE)
    await way_in(client, reader)
    path = f"/console/stops/{made.stops['standard']}"
    page = (await client.get(path)).text
    assert "Edgar Poe" in page
    assert "<textarea" not in page
    answer = await client.post(f"{path}/override", data={"csrf": field(page, "csrf")})
    assert answer.status_code == 403


async def test_signing_out_ends_the_session(client: Client, boss: Somebody) -> None:
    """The page says so, and the next one asks in again."""
    await way_in(client, boss)
    page = (await client.get("/console/inbox")).text
    out = await client.post("/console/sign-out", data={"csrf": field(page, "csrf")})
    assert "signed out" in out.text
    assert (await client.get("/console/inbox")).status_code == 401


async def test_assets_are_the_ones_we_have(client: Client) -> None:
    """Known names with a tag that saves the second load; anything else is 404."""
    first = await client.get("/console/assets/console.css")
    assert first.headers["content-type"].startswith("text/css")
    again = await client.get(
        "/console/assets/console.css", headers={"If-None-Match": first.headers["etag"]}
    )
    assert again.status_code == 304
    for name in ("../__init__.py", "..%2fpages.py", "pages.py"):
        assert (await client.get(f"/console/assets/{name}")).status_code == 404


BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("path", "status"), [("nope", 404), ("nope/deeper", 404), ("sign-in", 405), ("v1x", 404)]
)
async def test_an_address_that_is_none_is_a_page_for_a_browser(
    client: Client, path: str, status: int
) -> None:
    """In the console's own frame, with a way back; a program gets the problem as ever."""
    answer = await client.get(f"/console/{path}", headers=BROWSER)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert '<a href="/console/">To the day</a>' in answer.text
    assert "/console/assets/console.css" in answer.text
    assert "<p>Not Found</p>" not in answer.text, "the title says so already"
    for accept in ("application/json", "*/*", ""):
        answer = await client.get(f"/console/{path}", headers={"Accept": accept})
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"


async def test_the_api_answers_with_problems_to_anybody(client: Client) -> None:
    """Whatever a caller says that he reads: only the console's pages answer with pages."""
    for path in ("/console/v1/nope", "/console/v1", "/driver/v1/nope", "/nope", "/consolex"):
        answer = await client.get(path, headers=BROWSER)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


async def test_the_icon_is_where_browsers_look(client: Client) -> None:
    """For pages that name none: the customer's, and a picture opened alone."""
    answer = await client.get("/favicon.ico")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
    assert answer.content == (await client.get("/console/assets/icon.svg")).content
    again = await client.get("/favicon.ico", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_a_fault_of_ours_is_logged_and_told_as_a_page(caplog: pytest.LogCaptureFixture) -> None:
    """A page that failed tells its request id, and the same id stands in the log with the cause."""
    request = RequestFactory().get("/console/inbox")  # its app sets logging up anew
    logger = logging.getLogger("doorstep.http")
    logger.addHandler(caplog.handler)
    try:
        answer = page_fault(request, ZeroDivisionError("by us"))
    finally:
        logger.removeHandler(caplog.handler)
    assert answer.status_code == 500
    [line] = [record for record in caplog.records if record.name == "doorstep.http"]
    assert line.args is not None
    assert str(line.args[0]) in answer.content.decode()  # type: ignore[index]
    assert line.exc_info is not None
    assert isinstance(line.exc_info[1], ZeroDivisionError)


async def test_who_answers_an_item_second_is_told_so(
    client: Client, boss: Somebody, db: Database, made: Round
) -> None:
    """The same answer again is harmless; another one is not taken for done."""
    async with db.begin() as tx:
        await open_item(
            tx,
            kind=InboxKind.QUARANTINED,
            subject=f"test:{made.route}",
            detail="stop.delivered device_revoked",
            stop_id=made.stops["standard"],
            actions=(ACCEPTED,),
        )
    await way_in(client, boss)
    page = (await client.get("/console/inbox")).text
    action = re.search(r'action="(/console/inbox/[^"]+/resolve)"', page)
    assert action is not None
    for answer, told in (
        (ACKNOWLEDGED, "Resolved."),
        (ACKNOWLEDGED, "Resolved."),
        (ACCEPTED, "Somebody else has answered it otherwise"),
    ):
        fields = {"csrf": field(page, "csrf"), "action": answer, "note": ""}
        assert told in (await client.post(action[1], data=fields)).text
