"""Depots, crews and consignments in the test's database, written the way Doorstep writes them."""

import datetime as dt
import secrets
from dataclasses import dataclass
from uuid import UUID

from backend.audit.record import Event, record
from backend.domain.people import SYSTEM
from backend.ids import new_id
from backend.store.database import Database, Tx
from backend.tables.base import Audited
from backend.tables.consignments import Consignment, Parcel
from backend.tables.fleet import Depot, Driver, Shift, Vehicle
from backend.tables.segments import Segment, SegmentPolicy

DAY = dt.date(2026, 11, 24)
LAT, LON = 39.29, -76.61


@dataclass(frozen=True, slots=True)
class Base:
    """A depot with crews."""

    depot: UUID
    shifts: tuple[UUID, ...]


async def make(tx: Tx, row: type[Audited], **change: object) -> UUID:
    """Create an audited row and say so in the log."""
    id_ = new_id()
    action = f"{row.__entity__}.added"
    await record(tx, SYSTEM, Event(action, row, id_, change, create=True))
    await tx.flush()
    return id_


async def segment(tx: Tx, code: str, *, priority: int = 50, attempts: int = 2) -> None:
    """Create a segment whose policy asks for nothing but a plan."""
    policy = {
        "label": code.title(),
        "priority": priority,
        "promise": {"window_min": 120},
        "service": {"buffer_s": 60},
        "geofence_m": 100,
        "attempts": {"max": attempts, "fallback": "locker"},
        "proof": [],
        "late_evidence_h": 4,
        "undo_s": 60,
        "code": {"live": False},
        "override": {"second_person": False},
        "manifest": {"color": "#000000", "badge": code, "show": []},
        "tracking": {"eta": "window", "stops_away": False, "actions": []},
        "notify": {},
        "alerts": {"late_min": 10, "silent_min": 10, "dwell_min": 10},
        "retention_days": {"photo": 30, "signature": 30, "fix": 30, "contact": 30},
        "limits": {"vehicle_skills": []},
    }
    await make(tx, Segment, code=code, policy=policy)
    since = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    tx.add(SegmentPolicy(code=code, version=1, policy=policy, since=since))


async def base(db: Database, *, shifts: int = 2, skills: tuple[str, ...] = ()) -> Base:
    """Create a depot in Baltimore with crews from 13:00 to 22:00 UTC (eight to five there)."""
    async with db.begin() as tx:
        depot = await make(
            tx,
            Depot,
            code=secrets.token_hex(4),
            name="Baltimore",
            lat=LAT,
            lon=LON,
            timezone="America/New_York",
        )
        made = [await crew(tx, depot, skills=skills) for _ in range(shifts)]
    return Base(depot, tuple(made))


async def crew(tx: Tx, depot: UUID, *, date: dt.date = DAY, skills: tuple[str, ...] = ()) -> UUID:
    """Create a driver, a van and a shift; return the shift."""
    van = await make(
        tx,
        Vehicle,
        depot_id=depot,
        code=secrets.token_hex(4),
        capacity_kg=500.0,
        capacity_dm3=5000.0,
        skills=list(skills),
    )
    driver = await make(tx, Driver, depot_id=depot, name="Dee", phone=None, skills=[])
    starts = dt.datetime.combine(date, dt.time(13), dt.UTC)
    return await make(
        tx,
        Shift,
        driver_id=driver,
        vehicle_id=van,
        date=date,
        starts_at=starts,
        ends_at=starts + dt.timedelta(hours=9),
    )


async def consignment(
    tx: Tx,
    depot: UUID,
    reference: str,
    *,
    code: str = "standard",
    north_m: float | None = 2000,
    state: str = "ready",
    date: dt.date = DAY,
    window: tuple[dt.datetime, dt.datetime] | None = None,
    kg: float = 2.0,
    handling: tuple[str, ...] = (),
) -> UUID:
    """Create a consignment of one parcel so many metres north of the depot."""
    id_ = await make(
        tx,
        Consignment,
        depot_id=depot,
        reference=reference,
        state=state,
        segment=code,
        segment_reason="test",
        service_date=date,
        recipient_name="Rae",
        address_lines=["1 North St"],
        city="Baltimore",
        country="US",
        lat=None if north_m is None else LAT + north_m / 111_195,
        lon=None if north_m is None else LON,
        window_start=window[0] if window else None,
        window_end=window[1] if window else None,
        content_hash=secrets.token_bytes(32),
        tracking_hash=secrets.token_bytes(32),
        created_at=dt.datetime(2026, 11, 23, tzinfo=dt.UTC),
    )
    tx.add(
        Parcel(
            id=new_id(),
            consignment_id=id_,
            barcode=reference,
            weight_kg=kg,
            volume_dm3=4.0,
            handling=list(handling),
        )
    )
    return id_
