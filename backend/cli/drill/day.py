"""A day of the drill: everybody at once, until everything is told."""

from collections.abc import Awaitable, Callable, Coroutine

import anyio

from backend.cli.drill.muster import Company, show_doors
from backend.cli.drill.rider import Rider

Tell = Callable[[str], None]
Restart = Callable[[], Awaitable[None]]


async def spend(company: Company, tell: Tell, restart: Restart | None = None) -> None:
    """Morning, round and evening, with the control room in between."""
    tell("morning: phones are enrolled, manifests handed out")
    await _together(company.riders, Rider.morning)
    await show_doors(company)
    tell("driving")
    await _drive(company, restart)
    tell("evening: everybody reports")
    await _together(company.riders, Rider.evening)
    for road in company.roads:
        road.mend()
        await road.quiet()


async def _drive(company: Company, restart: Restart | None) -> None:
    """Drivers drive; the control room and whoever pulls plugs race them, and end with them."""
    async with anyio.create_task_group() as meddlers:
        meddlers.start_soon(company.office.run, company.errands)
        if restart is not None and company.size.restarts:
            meddlers.start_soon(_pull_plugs, company, restart)
        await _together(company.riders, Rider.ride)
        await company.notebook.day_done()


async def _pull_plugs(company: Company, restart: Restart) -> None:
    """Kill the server and start it again, at even distances."""
    times = company.size.restarts
    for number in range(1, times + 1):
        await company.notebook.reached(company.size.doors * number // (times + 1))
        await restart()
        company.notebook.restarts += 1


async def _together(
    riders: list[Rider], part: Callable[[Rider], Coroutine[object, object, None]]
) -> None:
    async with anyio.create_task_group() as group:
        for rider in riders:
            group.start_soon(part, rider)
