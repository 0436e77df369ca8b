"""Hiring drivers, giving them vans, shifts and phones, and sending them out together."""

from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio

from backend.cli.day.control_room import ControlRoom
from backend.cli.day.driver import Driver
from handset import Handset
from handset.session import Device
from handset.transport import Patience

NAMES = (
    "Amara Okafor", "Bruno Keller", "Carmen Ruiz", "Dmitri Volkov", "Elif Demir", "Femi Adeyemi",
    "Greta Holm", "Hassan Karimi", "Irina Popa", "Jamal Wright", "Keiko Mori", "Liam Byrne",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Van:
    """What every van of a crew can carry."""

    capacity_kg: float = 800.0
    capacity_dm3: float = 4000.0


async def hire(
    room: ControlRoom,
    depot: str,
    date: str,
    count: int,
    van: Van,
    shift: tuple[str, str],
    *,
    known: int = 0,
) -> list[str]:
    """So many drivers with a van and a shift each, named after those already known; their ids."""
    start, end = shift
    drivers = []
    for number in range(count):
        capacity = {"capacity_kg": van.capacity_kg, "capacity_dm3": van.capacity_dm3}
        vehicle_id = await room.add(
            "vehicles", {"depot": depot, "code": f"{depot}-V{number + 1}", "skills": [], **capacity}
        )
        name = NAMES[(known + number) % len(NAMES)]
        driver_id = await room.add("drivers", {"depot": depot, "name": name, "skills": []})
        shift_ = {"driver_id": driver_id, "vehicle_id": vehicle_id, "date": date}
        await room.add("shifts", {**shift_, "start": start, "end": end})
        drivers.append(driver_id)
    return drivers


def give_phone(url: str, folder: Path, number: int) -> Driver:
    """A driver with a fresh phone, not yet enrolled."""
    handset = Handset(
        folder / f"phone-{number:03d}",
        url,
        device=Device(platform="reference", model="made up", app_version="1.0.0"),
        patience=Patience(attempts=6, first_wait_s=0.2, longest_wait_s=2.0),
    )
    return Driver(NAMES[number % len(NAMES)], handset, seed=number)


async def enrol(room: ControlRoom, drivers: Iterable[tuple[str, Driver]]) -> None:
    """Hand each driver a code and let his phone use it."""
    for driver_id, driver in drivers:
        await driver.handset.enrol(await room.enrolment_code(driver_id))


async def together(
    drivers: Sequence[Driver], part: Callable[[Driver], Coroutine[object, object, None]]
) -> None:
    """One part of the day, all drivers at once."""
    async with anyio.create_task_group() as group:
        for driver in drivers:
            group.start_soon(part, driver)
