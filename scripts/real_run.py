"""The whole main job on an import file: in, planned, driven, proven, verified.

    python -m scripts.real_run day.csv --at 39.285,-76.595 --zone America/New_York --vans 8 \
        --kg 800 --dm3 4000 --gazetteer baltimore_addr.csv --country US
    python -m scripts.real_run rio.json --at -22.805996,-43.377694 --zone America/Sao_Paulo \
        --vans 6 --kg 180 --dm3 720

Real processes, real HTTP, simulated handsets of which every third is out of reach until evening.
It prints one JSON object and fails if anything was lost, unexplained or unverifiable.
"""

import asyncio
import json
import shutil
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from backend.cli.day import crew, ledger
from backend.cli.day.control_room import ControlRoom, Imported, Plan, RouteItem
from backend.cli.day.customers import Customer, Door
from backend.cli.day.driver import Driver
from backend.cli.day.home import empty, set_environment_aside
from backend.cli.day.ledger import Outcome
from backend.cli.day.people import employ
from backend.cli.ending import end_on_signals, until_signal
from backend.cli.ground import database, installation, settings_for
from backend.cli.system import run
from backend.cli.tell import Teller
from backend.intake.places import load_places
from backend.settings import Settings

DEPOT, SHIFT = "REAL", ("06:00", "22:00")
_IN = click.Path(exists=True, dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be run."""

    file: Path
    place: tuple[float, float]
    zone: str
    vans: int
    van: crew.Van
    gazetteer: Path | None
    country: str | None
    seconds: int

    @property
    def date(self) -> str:
        """The service day: today, so that the handsets' clocks fit."""
        return f"{datetime.now(ZoneInfo(self.zone)):%Y-%m-%d}"


@dataclass(slots=True)
class Story:
    """What became of it, step by step."""

    outcome: Outcome = field(default_factory=Outcome)
    imported: list[Imported] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    spent: dict[str, float] = field(default_factory=dict)

    def facts(self) -> dict[str, object]:
        """For the one JSON object."""
        first, again = self.imported
        [plan] = self.plans
        return {
            "accepted": first.accepted,
            "rejected": len(first.rejected),
            "warnings": len(first.warnings),
            "unchanged_on_reimport": again.unchanged,
            "assigned": plan.assigned,
            "unassigned": dict(Counter(left.reason for left in plan.unassigned)),
            "engine": plan.engine,
            **self.outcome.facts(),
            "lost": len(self.lost),
            "seconds": {name: round(spent, 1) for name, spent in self.spent.items()},
        }

    def is_good(self) -> bool:
        """Whether nothing was lost, everything has a fate, and the log verifies."""
        return self.outcome.is_good and not self.lost


async def live(url: str, settings: Settings, job: Job, tell: Teller) -> Story:
    """Run the job on an empty installation."""
    story, began = Story(), datetime.now(UTC)
    logins = await employ(settings, (DEPOT,))
    admin = await ControlRoom.sign_in(url, logins["admin"].email, logins["admin"].password)
    try:
        with _step(story, tell, "import"):
            await _bring_in(admin, settings, job, story)
        with _step(story, tell, "plan"):
            hired = await crew.hire(admin, DEPOT, job.date, job.vans, job.van, SHIFT)
            story.plans.append(await admin.plan(DEPOT, job.date, job.seconds))
            await admin.release(story.plans[0].id)
        drivers = _equip(url, settings, hired)
        with _step(story, tell, "drive"):
            await _drive(url, admin, job, dict(zip(hired, drivers, strict=True)))
        with _step(story, tell, "verify"):
            story.lost = await ledger.unheard(drivers)
            await _account(admin, job, story, drivers, began)
        for driver in drivers:
            await driver.handset.close()
    finally:
        await admin.close()
    return story


class _step:  # noqa: N801 - reads as a word
    """Tells a step and notes how long it took."""

    def __init__(self, story: Story, tell: Teller, name: str) -> None:
        self._story, self._name = story, name
        tell(name)
        self._began = time.monotonic()

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self._story.spent[self._name] = time.monotonic() - self._began


async def _bring_in(admin: ControlRoom, settings: Settings, job: Job, story: Story) -> None:
    lat, lon = job.place
    depot = {"code": DEPOT, "name": "Real", "lat": lat, "lon": lon, "timezone": job.zone}
    await admin.add("depots", depot)
    if job.gazetteer is not None:
        async with database(settings) as db, db.begin() as tx:
            await load_places(tx, job.gazetteer.read_bytes(), country=job.country)
    kind = "application/json" if job.file.suffix == ".json" else "text/csv"
    for _ in range(2):
        story.imported.append(
            await admin.import_consignments(
                DEPOT, job.file.read_bytes(), date=job.date, media_type=kind
            )
        )


def _equip(url: str, settings: Settings, hired: list[str]) -> list[Driver]:
    folder = settings.data / "phones"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    drivers = [crew.give_phone(url, folder, number) for number in range(len(hired))]
    for number, driver in enumerate(drivers):
        driver.offline = number % 3 == 1
    return drivers


async def _drive(url: str, admin: ControlRoom, job: Job, drivers: dict[str, Driver]) -> None:
    await crew.enrol(admin, drivers.items())
    routes = await admin.routes(job.date, DEPOT)
    crew_ = list(drivers.values())
    await crew.together(crew_, Driver.morning)
    await _show_codes(url, admin, job, routes, crew_)
    await crew.together(crew_, Driver.drive)
    await crew.together(crew_, Driver.evening)


async def _show_codes(
    url: str, admin: ControlRoom, job: Job, routes: list[RouteItem], drivers: list[Driver]
) -> None:
    """Customers of premium consignments look at their pages."""
    goods = {item.id: item for item in await admin.consignments(date=job.date)}
    customer = Customer(url)
    doors: dict[str, Door] = {}
    for stop in (stop for route in routes for stop in route.stops):
        item = goods[stop.consignment_ids[0]]
        if item.segment == "premium" and item.tracking_url:
            door = await customer.door(item.tracking_url)
            doors |= {stop.id: door} if door is not None else {}
    await customer.close()
    for driver in drivers:
        driver.doors = doors


async def _account(
    admin: ControlRoom, job: Job, story: Story, drivers: list[Driver], began: datetime
) -> None:
    outcome = story.outcome
    ledger.count_goods(outcome, await admin.consignments(), story.plans)
    ledger.count_routes(outcome, await admin.routes(job.date, DEPOT))
    ledger.count_phones(outcome, drivers)
    span = (began - timedelta(minutes=5), datetime.now(UTC) + timedelta(minutes=5))
    start, end = (f"{at:%Y-%m-%dT%H:%M:%S.000Z}" for at in span)
    ledger.count_audit(outcome, await admin.export(start, end), await admin.log_key())


def _place(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[float, float]:
    lat, _, lon = value.partition(",")
    return float(lat), float(lon)


@click.command()
@click.argument("file", type=_IN)
@click.option("--at", "place", required=True, callback=_place, help="The depot: LAT,LON.")
@click.option("--zone", required=True, help="Its IANA time zone.")
@click.option("--vans", default=8, show_default=True)
@click.option("--kg", default=800.0, show_default=True, help="What a van can carry.")
@click.option("--dm3", default=4000.0, show_default=True)
@click.option("--gazetteer", type=_IN)
@click.option("--country", help="Of the gazetteer's rows that name none.")
@click.option("--seconds", default=15, show_default=True, help="For the planner.")
@click.option("--data", type=click.Path(file_okay=False, path_type=Path))
def main(
    file: Path,
    place: tuple[float, float],
    zone: str,
    vans: int,
    kg: float,
    dm3: float,
    gazetteer: Path | None,
    country: str | None,
    seconds: int,
    data: Path | None,
) -> None:
    """Run the whole main job on FILE, in an installation of its own."""
    tell = Teller()
    end_on_signals()
    set_environment_aside()
    home = settings_for(data).data / "real"
    empty(home, tell)
    job = Job(file, place, zone, vans, crew.Van(kg, dm3), gazetteer, country, seconds)
    told: list[Story] = []
    with installation(settings_for(home), tell) as settings:
        asyncio.run(until_signal(_run(settings, job, tell, told)))
    tell.done()
    for story in told:
        click.echo(json.dumps(story.facts(), indent=1))
    if not told:
        raise click.ClickException("the run was broken off")
    if not told[0].is_good():
        raise click.ClickException("something was lost, unexplained or unverifiable")


async def _run(settings: Settings, job: Job, tell: Teller, told: list[Story]) -> None:
    async with run(settings, "127.0.0.1", 0, tell) as system:
        told.append(await live(system.url, settings, job, tell))


if __name__ == "__main__":
    main()
