"""`import` and `gazetteer load` from the command line, on a real database."""

import json
from pathlib import Path

import pytest
from sqlalchemy import func, select

from backend.store.database import Database
from backend.tables.audit import AuditEntry
from backend.tables.segments import Segment, SegmentRules
from tests.fixtures.processes import called, doorstep
from tests.intake.depots import depot

pytestmark = pytest.mark.anyio

HEADER = "reference,recipient_name,address_line1,postcode,city,country,barcode,weight_kg,volume_dm3"
ROWS = (
    "A-1,Ann,1 High St,LS1 1UR,Leeds,GB,1,1,1\nA-1,,,,,,2,1,1\nA-2,Ann,9 Low St,x,Leeds,GB,3,1,1\n"
)
PLACES = (
    "housenumber,street,postcode,city,country,lat,lon\n1,High Street,LS1 1UR,Leeds,,53.8,-1.5\n"
)


async def test_a_file_goes_in_once(fresh_db: Database, fresh_pg_url: str, tmp_path: Path) -> None:
    """Addresses first, then a rehearsal, the file, and the file again; bad rows are told."""
    code = await depot(fresh_db)
    environ = {"DOORSTEP_DATABASE_URL": fresh_pg_url, "DOORSTEP_DATA": str(tmp_path)}
    file, places = tmp_path / "day.csv", tmp_path / "places.csv"
    file.write_text(f"{HEADER}\n{ROWS}")
    places.write_text(PLACES)
    loaded = doorstep(
        "gazetteer", "load", str(places), "--country", "UK", "--json", environ=environ
    )
    assert json.loads(loaded.stdout) == {"stored": 1, "left_out": 0}, loaded.stderr
    words = ("import", str(file), "--depot", code, "--date", "2027-01-04")
    for run, more, accepted, unchanged in (
        (called, ["--dry-run"], 1, 0),
        (doorstep, [], 1, 0),
        (called, [], 0, 1),
    ):
        done = run(*words, *more, "--json", environ=environ)
        assert done.returncode == 0, done.stderr
        facts = json.loads(done.stdout)
        assert (facts["accepted"], facts["unchanged"], facts["warnings"]) == (
            accepted,
            unchanged,
            [],
        )
        assert [(n["line"], n["pointer"], n["code"]) for n in facts["rejected"]] == [
            (4, "/postcode", "bad_postcode")
        ]
    people = called(*words, environ=environ)
    assert "0 accepted, 0 updated, 1 unchanged, 1 rejected" in people.stdout
    assert "line 4 /postcode: bad_postcode: 'x' is not a postcode of GB" in people.stdout


async def test_mistakes_are_told_in_a_sentence(fresh_pg_url: str, tmp_path: Path) -> None:
    """An unknown depot, an empty file or half a document is no traceback."""
    environ = {"DOORSTEP_DATABASE_URL": fresh_pg_url, "DOORSTEP_DATA": str(tmp_path)}
    for content, said in (
        (f"{HEADER}\n{ROWS}", "There is no such depot"),
        ("", "the file is empty"),
        ("reference\n", "check these columns"),
        ('[{"reference": "A', "truncated"),
    ):
        file = tmp_path / "file"
        file.write_text(content)
        done = called("import", str(file), "--depot", "nowhere", environ=environ)
        assert done.returncode == 1
        assert said in done.stderr
        assert "Traceback" not in done.stderr


async def test_migrating_brings_segments_and_rules_once(
    fresh_db: Database, fresh_pg_url: str, tmp_path: Path
) -> None:
    """Four segments and the rules, each with its entry; again brings nothing."""
    environ = {"DOORSTEP_DATABASE_URL": fresh_pg_url, "DOORSTEP_DATA": str(tmp_path)}
    for run in (doorstep, called):
        done = run("migrate", environ=environ)
        assert done.returncode == 0, done.stderr
        async with fresh_db.snapshot() as tx:
            counts = [
                await tx.scalar(select(func.count()).select_from(table))
                for table in (Segment, SegmentRules, AuditEntry)
            ]
        assert counts == [4, 1, 5]
