"""Drivers' phones: a code to enrol one, a list, and the end of one."""

from uuid import UUID

import msgspec
import segno
from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from backend.clock import rfc3339
from backend.domain.people import Role
from backend.identity import devices
from backend.identity.people import SignedIn
from backend.keys import Keys
from backend.settings import Settings
from backend.store import fleet_devices as store
from backend.store.database import Database
from backend.store.fleet_devices import FleetDevice
from web.paging import PAGE, Page, page, read_id_cursor
from web.paths import the_id
from web.scope import must_see_device, must_see_driver


class EnrolmentCodeOut(msgspec.Struct, frozen=True):
    """A one-time code, as text and as a QR that also tells the phone where the server is."""

    code: str
    expires_at: str
    qr_svg: str


class DeviceOut(msgspec.Struct, frozen=True):
    """A device and when it last spoke; ``skew_ms`` is by how much its wall clock was ahead then."""

    id: UUID
    driver_id: UUID
    platform: str
    model: str
    app_version: str
    enrolled_at: str
    revoked_at: str | None
    seen_at: str | None
    pending: int | None
    oldest_pending_at: str | None
    skew_ms: int | None


class DevicesController(Controller):
    """Devices and how they get in."""

    @post("/drivers/{driver_id:str}/enrolment-codes", operation_id="issueEnrolmentCode")
    async def issue(
        self,
        driver_id: FromPath[str],
        db: NamedDependency[Database],
        keys: NamedDependency[Keys],
        settings: NamedDependency[Settings],
        person: NamedDependency[SignedIn],
    ) -> EnrolmentCodeOut:
        """Make a one-time code for a driver; it is shown once and valid for 24 hours."""
        person.must_be(Role.SUPERVISOR)
        driver = the_id(driver_id)
        async with db.begin() as tx:
            await must_see_driver(tx, person, driver)
            code, expires_at = await devices.issue_enrolment_code(tx, keys, driver)
        return EnrolmentCodeOut(code, rfc3339(expires_at), _qr(settings.base_url, code))

    @get("/devices", operation_id="listDevices")
    async def devices(
        self,
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
        after: FromQuery[str | None] = None,
    ) -> Page[DeviceOut]:
        """List devices, oldest first."""
        since = read_id_cursor(after)
        async with db.snapshot() as tx:
            found = await store.devices(tx, person.scope, since, PAGE + 1)
        shown, following = page(found, lambda device: (str(device.id),))
        return Page([_device_out(device) for device in shown], following)

    @post("/devices/{device_id:str}/revoke", status_code=200, operation_id="revokeDevice")
    async def revoke(
        self,
        device_id: FromPath[str],
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
    ) -> dict[str, UUID]:
        """Revoke a device; its unsent events are quarantined when they come, never lost."""
        person.must_be(Role.SUPERVISOR)
        device = the_id(device_id)
        async with db.begin() as tx:
            await must_see_device(tx, person, device)
            await devices.revoke(tx, person.actor, device)
        return {"id": device}


def _qr(base_url: str, code: str) -> str:
    text = f"DSE1:{base_url}#{code}"
    return segno.make(text, error="m", micro=False).svg_inline(scale=4, omitsize=True)


def _device_out(device: FleetDevice) -> DeviceOut:
    return DeviceOut(
        id=device.id,
        driver_id=device.driver_id,
        platform=device.platform,
        model=device.model,
        app_version=device.app_version,
        enrolled_at=rfc3339(device.enrolled_at),
        revoked_at=rfc3339(device.revoked_at) if device.revoked_at else None,
        seen_at=rfc3339(device.seen_at) if device.seen_at else None,
        pending=device.pending,
        oldest_pending_at=rfc3339(device.oldest_pending_at) if device.oldest_pending_at else None,
        skew_ms=device.skew_ms,
    )
