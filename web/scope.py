"""What a person may see; out of scope and absent are the same 404."""

from uuid import UUID

from backend.errors import NotFound
from backend.identity.people import SignedIn
from backend.store import devices, fleet_devices
from backend.store import dispatch as store
from backend.store.database import Tx


async def must_see_stop(tx: Tx, person: SignedIn, stop_id: UUID | None) -> store.Ground:
    """Return where a stop belongs.

    Raises:
        NotFound: out of scope, or not there.
    """
    ground = await store.ground_of(tx, stop_id) if stop_id else None
    if ground is None:
        raise NotFound
    person.must_see(ground.depot_id)
    return ground


async def must_see_driver(tx: Tx, person: SignedIn, driver_id: UUID) -> None:
    """Refuse a driver of another depot, or none.

    Raises:
        NotFound: out of scope, or not there.
    """
    _must_see(person, await fleet_devices.driver_depot(tx, driver_id))


async def must_see_device(tx: Tx, person: SignedIn, device_id: UUID) -> None:
    """Refuse a device of another depot's driver, or none.

    Raises:
        NotFound: out of scope, or not there.
    """
    _must_see(person, await devices.depot_of(tx, device_id))


def _must_see(person: SignedIn, depot_id: UUID | None) -> None:
    if depot_id is None:
        raise NotFound
    person.must_see(depot_id)
