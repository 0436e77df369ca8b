"""The console in a real browser: with and without scripts, light and dark, desk and phone."""

import shutil
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, ViewportSize, async_playwright

from backend.dispatch import override
from backend.dispatch.boards import number_boards
from backend.domain.people import SYSTEM, Role
from backend.domain.stop import StopState
from backend.identity.people import add_person
from backend.store.database import Database, Tx
from backend.tables.fleet import Depot
from tests.fixtures.people import PASSWORD
from tests.fixtures.phones import settings_for
from tests.fixtures.servers import serving
from tests.fixtures.visits import Round, a_round

pytestmark = pytest.mark.anyio

EMAIL = "supervisor@example.org"
DESK: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 360, "height": 740}
# A browser that calls nobody: the network of a test is this machine.
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def chromium() -> str:
    """Where the browser is; without one these tests are skipped, loudly."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("NO BROWSER: install Chromium (apt-get install chromium) to run these tests")
    return found


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """A browser of its own."""
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        yield running
        await running.close()


@pytest.fixture(scope="module")
def site(pg_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real server."""
    folder = tmp_path_factory.mktemp("console")
    with serving(settings_for(pg_url, folder)) as server:
        yield f"http://127.0.0.1:{server.port}"


@pytest.fixture
async def made(db: Database) -> Round:
    """A route of the day, and a supervisor of its depot alone."""
    made = await a_round(db)
    async with db.begin() as tx:
        code = (await tx.get_one(Depot, made.depot)).code
        await add_person(tx, EMAIL, Role.SUPERVISOR, [code], PASSWORD)
    return made


async def a_page(
    browser: Browser, size: ViewportSize, scheme: str, *, scripts: bool = True
) -> Page:
    """Open a page that remembers every complaint of the browser."""
    context = await browser.new_context(
        viewport=size,
        color_scheme="dark" if scheme == "dark" else "light",
        java_script_enabled=scripts,
    )
    return await context.new_page()


async def sign_in(page: Page, site: str) -> None:
    """Sign in as anybody would."""
    await page.goto(f"{site}/")
    await page.fill("[name=email]", EMAIL)
    await page.fill("[name=password]", PASSWORD)
    await page.click("main button")
    await page.wait_for_selector("text=Sign out")


def paths(made: Round) -> tuple[str, ...]:
    """Every page of the console."""
    return (
        "/console/",
        f"/console/routes/{made.route}",
        f"/console/stops/{made.stops['premium']}",
        "/console/inbox",
        "/console/stops/nowhere",
        "/console/nowhere",
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_is_accessible_and_fits_a_phone(
    browser: Browser, site: str, made: Round, scheme: str
) -> None:
    """No violation found by axe, no complaint of the browser, nothing to scroll sideways."""
    page = await a_page(browser, PHONE, scheme)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(f"{site}/")
    found = {"the way in": await violations(page)}
    await sign_in(page, site)
    for path in paths(made):
        await page.goto(f"{site}{path}")
        found[path] = await violations(page)
        wider = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wider <= 0, path
    assert {path: ids for path, ids in found.items() if ids} == {}
    # The page of a fault is answered with 404, which the browser remarks on.
    assert [text for text in complaints if "404" not in text] == []


async def violations(page: Page) -> list[str]:
    """Ask axe."""
    results = await Axe().run(page)
    return [found["id"] for found in results.response["violations"]]


async def test_an_override_works_without_scripts(browser: Browser, site: str, made: Round) -> None:
    """Reason, note, done: with nothing but HTML."""
    page = await a_page(browser, DESK, "light", scripts=False)
    await sign_in(page, site)
    await page.goto(f"{site}/console/stops/{made.stops['standard']}")
    await page.select_option("[name=what]", "delivered:customer_confirmed")
    await page.check("[name=proof]")
    await page.fill("[name=note]", "She called, the parcel is in her hands")
    await page.click("text=Override >> nth=-1")
    await page.wait_for_selector("[role=status]")
    assert await page.locator(".head .pill.delivered").count() == 1
    assert await page.locator(".head .pill.waived").count() == 1


async def test_the_day_shows_what_changed_without_being_asked(
    browser: Browser, site: str, made: Round, db: Database
) -> None:
    """A stop that somebody else closes turns up on an open page."""
    page = await a_page(browser, DESK, "light")
    await sign_in(page, site)
    async with page.expect_response("**/console/v1/events"):
        await page.goto(f"{site}/console/routes/{made.route}")
    assert await page.locator("tbody .pill.cancelled").count() == 0
    await cancel(db, made.stops["economy"])
    await number_boards(db, nobody_asks)
    await page.wait_for_selector("tbody .pill.cancelled", timeout=30_000)


async def nobody_asks(_tx: Tx) -> None:
    """A fence that lets everybody pass: nobody else numbers here."""


async def cancel(db: Database, stop_id: UUID) -> None:
    """Cancel a stop from elsewhere."""
    async with db.begin() as tx:
        person = await add_person(tx, "other@example.org", Role.ADMIN, [], PASSWORD)
        wish = override.Asked(
            StopState.CANCELLED, None, "customer_cancelled", "No longer wanted", "key"
        )
        await override.override_stop(tx, SYSTEM, person, stop_id, wish)
