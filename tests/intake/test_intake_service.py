import datetime as dt
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from backend.audit.record import Event, record
from backend.domain.people import SYSTEM
from backend.intake.places import load_places
from backend.intake.report import ImportReport
from backend.intake.service import DepotUnknown, Rows, import_rows
from backend.store.database import Database
from backend.store.feed import driver_scope, since, version
from backend.store.fleet import depot_codes
from backend.store.timeline import timeline
from backend.tables.audit import AuditEntry
from backend.tables.consignments import Consignment, Parcel
from backend.tables.stops import Stop
from tests.fixtures.visits import a_round
from tests.intake.depots import KEYS, csv_rows, depot, fresh, json_rows, order

pytestmark = pytest.mark.anyio
HEADER = "reference,recipient_name,address_line1,city,country,lat,lon,barcode,weight_kg,volume_dm3"


async def bring(
    db: Database, code: str, rows: Rows, date: dt.date | None = None, *, dry_run: bool = False
) -> ImportReport:
    """Import as the system."""
    return await import_rows(db, KEYS, SYSTEM, code, rows, service_date=date, dry_run=dry_run)


def counts(report: ImportReport) -> tuple[int, int, int, int]:
    """Accepted, updated, unchanged, rejected."""
    return report.accepted, report.updated, report.unchanged, len(report.rejected)


async def stored(db: Database, reference: str) -> Consignment:
    """Return the row of a reference."""
    async with db.snapshot() as tx:
        query = select(Consignment).where(col(Consignment.reference) == reference)
        return (await tx.scalars(query)).one()


async def parcels(db: Database, consignment_id: UUID) -> dict[str, UUID]:
    """Return barcodes and ids of a consignment's parcels."""
    async with db.snapshot() as tx:
        rows = await tx.scalars(select(Parcel).where(col(Parcel.consignment_id) == consignment_id))
        return {row.barcode: row.id for row in rows}


async def put_state(db: Database, reference: str, state: str) -> None:
    """Bring a consignment into a state, through the log."""
    row = await stored(db, reference)
    async with db.begin() as tx:
        await record(tx, SYSTEM, Event("consignment.moved", Consignment, row.id, {"state": state}))


async def test_good_rows_go_in_and_bad_ones_are_told(db: Database) -> None:
    """A file with a bad row brings the others in, with segment, day, window and state settled."""
    code, good, bad = await depot(db), fresh(), fresh()
    window = {"start": "09:00", "end": "11:00"}
    rows = json_rows(
        order(good, window=window, service="express"),
        order(bad, location={"lat": 95, "lon": 0}),
    )
    report = await bring(db, code, rows)
    assert counts(report) == (1, 0, 0, 1)
    assert [(n.line, n.pointer, n.code) for n in report.rejected] == [
        (None, "/1/location/lat", "location_out_of_range")
    ]
    row = await stored(db, good)
    assert (row.state, row.segment, row.segment_reason) == ("ready", "premium", "rule: service")
    assert row.service_date == dt.date(2026, 11, 24)
    assert row.window_start == dt.datetime(2026, 11, 24, 9, tzinfo=dt.UTC)
    assert (row.recipient_phone, row.phone_takes_sms) == ("+447400123456", True)
    assert list(await parcels(db, row.id)) == [f"{good}-1"]


async def test_importing_again_changes_nothing(db: Database) -> None:
    """Neither row nor log move when the same file comes twice, a day later too."""
    code, reference = await depot(db), fresh()
    await bring(db, code, json_rows(order(reference)))
    before = await stored(db, reference)
    async with db.snapshot() as tx:
        entries = await tx.scalar(select(func.count()).select_from(AuditEntry))
    report = await bring(db, code, json_rows(order(reference)))
    assert counts(report) == (0, 0, 1, 0)
    assert await stored(db, reference) == before
    async with db.snapshot() as tx:
        assert await tx.scalar(select(func.count()).select_from(AuditEntry)) == entries


async def test_a_change_before_release_is_applied(db: Database) -> None:
    """Parcels are added and removed; one that stays keeps its id."""
    code, reference = await depot(db), fresh()
    two = [
        {"barcode": "a", "weight_kg": 1, "volume_dm3": 1},
        {"barcode": "b", "weight_kg": 1, "volume_dm3": 1},
    ]
    await bring(db, code, json_rows(order(reference, parcels=two)))
    row = await stored(db, reference)
    before = await parcels(db, row.id)
    two[1]["barcode"] = "c"
    report = await bring(db, code, json_rows(order(reference, parcels=two, value=900)))
    assert counts(report) == (0, 1, 0, 0)
    after = await parcels(db, row.id)
    assert sorted(after) == ["a", "c"]
    assert after["a"] == before["a"]
    assert (await stored(db, reference)).segment == "premium"


async def test_a_released_consignment_takes_contact_only(db: Database) -> None:
    """A better phone number goes through; another address does not."""
    code, reference = await depot(db), fresh()
    await bring(db, code, json_rows(order(reference)))
    await put_state(db, reference, "released")
    phone = order(reference, recipient={"name": "Ann Lee", "phone": "07400 123457"})
    assert counts(await bring(db, code, json_rows(phone))) == (0, 1, 0, 0)
    assert (await stored(db, reference)).recipient_phone == "+447400123457"
    moved = order(reference, location={"lat": 53.7, "lon": -1.5})
    report = await bring(db, code, json_rows(moved))
    assert [(n.pointer, n.code) for n in report.rejected] == [("/0/reference", "already_released")]


@pytest.mark.parametrize("state", ["delivered", "failed", "returned", "cancelled"])
async def test_a_settled_consignment_takes_nothing(db: Database, state: str) -> None:
    """The same file is still harmless, a changed one is told."""
    code, reference = await depot(db), fresh()
    await bring(db, code, json_rows(order(reference)))
    await put_state(db, reference, state)
    assert counts(await bring(db, code, json_rows(order(reference)))) == (0, 0, 1, 0)
    report = await bring(db, code, json_rows(order(reference, instructions="ring")))
    assert [n.code for n in report.rejected] == ["already_settled"]


async def test_a_planned_consignment_changes_with_a_warning(db: Database) -> None:
    """The unreleased plan no longer fits, and that is said."""
    code, reference = await depot(db), fresh()
    await bring(db, code, json_rows(order(reference)))
    await put_state(db, reference, "planned")
    moved = order(reference, location={"lat": 53.7, "lon": -1.5})
    report = await bring(db, code, json_rows(moved))
    assert counts(report) == (0, 1, 0, 0)
    assert [n.code for n in report.warnings] == ["plan_again"]
    assert (await stored(db, reference)).state == "planned"


async def test_a_stated_day_moves_what_still_waits(db: Database) -> None:
    """Without one the day stays as it was; a released consignment is not moved."""
    code, reference = await depot(db), fresh()
    day = dt.date(2026, 12, 1)
    await bring(db, code, json_rows(order(reference)))
    assert counts(await bring(db, code, json_rows(order(reference)), day)) == (0, 1, 0, 0)
    assert (await stored(db, reference)).service_date == day
    assert counts(await bring(db, code, json_rows(order(reference)))) == (0, 0, 1, 0)
    await put_state(db, reference, "released")
    later = dt.date(2026, 12, 2)
    assert counts(await bring(db, code, json_rows(order(reference)), later)) == (0, 0, 1, 0)


async def test_a_rehearsal_writes_nothing(db: Database) -> None:
    """The report is the same, the database is not touched."""
    code, reference = await depot(db), fresh()
    report = await bring(db, code, json_rows(order(reference)), dry_run=True)
    assert counts(report) == (1, 0, 0, 0)
    assert counts(await bring(db, code, json_rows(order(reference)))) == (1, 0, 0, 0)


async def test_a_reference_of_another_depot_is_told(db: Database) -> None:
    """References are the sender's names and stand for one consignment everywhere."""
    reference = fresh()
    await bring(db, await depot(db), json_rows(order(reference)))
    report = await bring(db, await depot(db), json_rows(order(reference)))
    assert [n.code for n in report.rejected] == ["other_depot"]


@pytest.mark.parametrize(
    ("members", "pointer", "code"),
    [
        ({"segment": "gold"}, "/0/segment", "unknown_segment"),
        ({"window": {"start": "11:00", "end": "09:00"}}, "/0/window/end", "window_order"),
    ],
)
async def test_what_only_the_depot_can_tell_is_told(
    db: Database, members: dict[str, object], pointer: str, code: str
) -> None:
    """Segments and zones are the installation's."""
    report = await bring(db, await depot(db), json_rows(order(fresh(), **members)))
    assert [(n.pointer, n.code) for n in report.rejected] == [(pointer, code)]
    assert report.accepted == 0


async def test_missing_coordinates_are_looked_up_or_left_for_a_person(db: Database) -> None:
    """The gazetteer resolves an exact address; a later one resolves what waited."""
    code, sure, unsure = await depot(db), fresh(), fresh()
    street = f"Lane {fresh('x')}"

    def at(reference: str, number: int) -> dict[str, object]:
        lines = [f"{number} {street}"]
        address = {"lines": lines, "city": "Leeds", "postcode": "LS1 1UR", "country": "GB"}
        return order(reference, address=address, location=None)

    columns = "housenumber,street,place,postcode,city,country,lat,lon\n"
    async with db.begin() as tx:
        first = f"{columns}1,{street},,LS1 1UR,Leeds,GB,53.81,-1.51\n"
        assert (await load_places(tx, first.encode(), country=None)).stored == 1
    report = await bring(db, code, json_rows(at(sure, 1), at(unsure, 2)))
    assert counts(report) == (2, 0, 0, 0)
    assert [(n.pointer, n.code) for n in report.warnings] == [
        ("/1/location", "location_unresolved")
    ]
    assert (await stored(db, sure)).location_source == "gazetteer"
    waiting = await stored(db, unsure)
    assert (waiting.state, waiting.lat, waiting.location_source) == ("needs_attention", None, None)
    async with db.begin() as tx:
        second = f"{columns}2,{street},,LS1 1UR,Leeds,GB,53.82,-1.52\n"
        await load_places(tx, second.encode(), country=None)
    report = await bring(db, code, json_rows(at(sure, 1), at(unsure, 2)))
    assert counts(report) == (0, 1, 1, 0)
    assert (await stored(db, unsure)).state == "ready"


async def test_a_place_a_person_gave_survives_a_change_elsewhere(db: Database) -> None:
    """Only another address asks for another place."""
    code, reference = await depot(db), fresh()
    await bring(db, code, json_rows(order(reference, location=None)))
    row = await stored(db, reference)
    given = {"lat": 53.8, "lon": -1.5, "location_source": "person", "state": "ready"}
    async with db.begin() as tx:
        await record(tx, SYSTEM, Event("consignment.located", Consignment, row.id, given))
    changed = order(reference, location=None, instructions="ring")
    assert counts(await bring(db, code, json_rows(changed))) == (0, 1, 0, 0)
    row = await stored(db, reference)
    assert (row.lat, row.location_source, row.state) == (53.8, "person", "ready")


async def test_lines_of_one_reference_are_counted_as_one(db: Database) -> None:
    """Counts are consignments; a bad line keeps its consignment out, with its own line number."""
    code, one, two = await depot(db), fresh(), fresh()

    def line(reference: str, barcode: str, kg: str = "1") -> str:
        return f"{reference},Ann Lee,1 High Street,Leeds,GB,53.79,-1.54,{barcode},{kg},2"

    lines = [line(one, "a"), line(two, "b"), line(one, "c"), line(two, "d", "-1")]
    report = await bring(db, code, csv_rows("\n".join([HEADER, *lines])))
    assert counts(report) == (1, 0, 0, 1)
    assert [(n.line, n.pointer, n.code) for n in report.rejected] == [
        (5, "/weight_kg", "out_of_range")
    ]
    assert sorted(await parcels(db, (await stored(db, one)).id)) == ["a", "c"]


async def test_more_than_a_chunk_goes_through_with_progress(db: Database) -> None:
    """Chunks are transactions; what was done is told after each."""
    code, told = await depot(db), list[tuple[int, int]]()
    prefix = fresh()
    rows = json_rows(*(order(f"{prefix}-{i}") for i in range(420)))
    report = await import_rows(
        db, KEYS, SYSTEM, code, rows, on_progress=lambda done, total: told.append((done, total))
    )
    assert counts(report) == (420, 0, 0, 0)
    assert told == [(200, 420), (400, 420), (420, 420)]


async def test_an_unknown_depot_is_refused(db: Database) -> None:
    """Nothing is read for a depot that is not there."""
    with pytest.raises(DepotUnknown):
        await bring(db, "nowhere", json_rows(order(fresh())))


async def test_a_new_phone_reaches_the_driver(db: Database) -> None:
    """A stop on a manifest is put anew when its consignment's contact changes, and only then."""
    made, reference = await a_round(db, "standard"), fresh()
    async with db.snapshot() as tx:
        depots = await depot_codes(tx)
    code, scope = depots[made.depot], driver_scope(made.driver)
    await bring(db, code, json_rows(order(reference)))
    row = await stored(db, reference)
    async with db.begin() as tx:
        moved = {"consignment_id": row.id}
        await record(tx, SYSTEM, Event("stop.moved", Stop, made.stops["standard"], moved))
    await put_state(db, reference, "released")
    async with db.snapshot() as tx:
        before = await version(tx, scope)
    await bring(db, code, json_rows(order(reference)))
    await bring(db, code, json_rows(order(reference, instructions="ring twice")))
    async with db.snapshot() as tx:
        [change] = await since(tx, scope, before, limit=10)
    assert (change.type, change.entity_id) == ("stop", str(made.stops["standard"]))
    assert change.v == before + 1
    async with db.snapshot() as tx:
        told = await timeline(tx, made.stops["standard"])
        stop = await tx.get_one(Stop, made.stops["standard"])
    assert [(one.kind, one.version) for one in told][-1] == ("stop.contact_changed", stop.version)
