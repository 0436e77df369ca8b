"""Consignments in, as CSV or JSON: ``POST /console/v1/imports/consignments``."""

import io

import anyio.to_thread
from litestar import Controller, Request, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromQuery

from backend.dispatch.fleet import DepotNotFound
from backend.domain.people import Role
from backend.errors import InputError, UnsupportedMedia
from backend.identity.people import SignedIn
from backend.intake.csv_rows import CsvRows
from backend.intake.json_rows import JsonRows
from backend.intake.report import ImportReport
from backend.intake.service import import_rows
from backend.keys import Keys
from backend.store import fleet as store
from backend.store.database import Database
from backend.wire.body import MIB, read_body
from backend.wire.json import InputInvalid
from web.query import flag, read_date

LIMIT = 32 * MIB


class ImportMediaType(UnsupportedMedia):
    """An import is CSV or JSON."""

    code = "import_media_type"
    title = "Send text/csv or application/json"


class ImportController(Controller):
    """What comes in."""

    path = "/imports"

    @post(
        "/consignments",
        status_code=200,
        operation_id="importConsignments",
        opt={"body": "text/csv"},
    )
    async def consignments(
        self,
        request: Request[None, None, State],
        db: NamedDependency[Database],
        keys: NamedDependency[Keys],
        person: NamedDependency[SignedIn],
        depot: FromQuery[str | None] = None,
        date: FromQuery[str | None] = None,
        dry_run: FromQuery[str | None] = None,
    ) -> ImportReport:
        """Bring consignments in; a bad row is told and never stops the good ones."""
        person.must_be(Role.SUPERVISOR)
        day, rehearse = read_date(date), flag("dry_run", dry_run)
        code = await _depot(db, person, depot)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in ("text/csv", "application/json", "application/csv"):
            raise ImportMediaType(f"not {kind[:80]!r}")
        raw = await read_body(request, LIMIT)
        rows = await anyio.to_thread.run_sync(_rows, raw, kind)
        return await import_rows(
            db, keys, person.actor, code, rows, service_date=day, dry_run=rehearse
        )


def _rows(raw: bytes, kind: str) -> CsvRows | JsonRows:
    return JsonRows(raw) if kind == "application/json" else CsvRows(io.BytesIO(raw))


async def _depot(db: Database, person: SignedIn, code: str | None) -> str:
    """Return the depot's code if it is one of the person's."""
    if not code:
        raise InputInvalid(errors=[InputError("/depot", "missing", "say which depot: ?depot=")])
    if "\0" in code:
        raise DepotNotFound
    async with db.snapshot() as tx:
        depot = await store.depot_by_code(tx, code)
    if depot is None or not person.sees(depot.id):
        raise DepotNotFound
    return depot.code
