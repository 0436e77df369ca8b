"""`plan` and `release` from the command line, on a real database."""

import json
from pathlib import Path

import pytest

from backend.store import fleet
from backend.store.database import Database
from tests.fixtures.processes import called, doorstep
from tests.planner.rows import DAY, base, consignment, segment

pytestmark = pytest.mark.anyio


async def test_a_day_is_planned_and_released(
    fresh_db: Database, fresh_pg_url: str, tmp_path: Path
) -> None:
    """One JSON object each: what was planned and left out, then what was put on the road."""
    async with fresh_db.begin() as tx:
        await segment(tx, "standard")
    made = await base(fresh_db)
    async with fresh_db.begin() as tx:
        await consignment(tx, made.depot, "A")
        await consignment(tx, made.depot, "B", north_m=None, state="needs_attention")
        code = (await fleet.depot_codes(tx))[made.depot]
    environ = {"DOORSTEP_DATABASE_URL": fresh_pg_url, "DOORSTEP_DATA": str(tmp_path)}
    words = ("--depot", code, "--date", DAY.isoformat())
    early = called("release", *words, environ=environ)
    assert early.returncode == 1
    assert "has no plan" in early.stderr
    planned = doorstep("plan", *words, "--json", environ=environ)
    assert planned.returncode == 0, planned.stderr
    facts = json.loads(planned.stdout)
    assert (facts["state"], facts["routes"], facts["assigned"]) == ("done", 1, 1)
    assert [left["reason"] for left in facts["unassigned"]] == ["no_location"]
    for run, stops in ((doorstep, 1), (called, 0)):
        released = run("release", *words, "--json", environ=environ)
        assert released.returncode == 0, released.stderr
        assert json.loads(released.stdout)["stops"] == stops


async def test_a_day_that_is_out_is_told_so(
    fresh_db: Database, fresh_pg_url: str, tmp_path: Path
) -> None:
    """A second plan after the release has nothing to add, and neither has its release."""
    async with fresh_db.begin() as tx:
        await segment(tx, "standard")
    made = await base(fresh_db)
    async with fresh_db.begin() as tx:
        await consignment(tx, made.depot, "A")
        code = (await fleet.depot_codes(tx))[made.depot]
    environ = {"DOORSTEP_DATABASE_URL": fresh_pg_url, "DOORSTEP_DATA": str(tmp_path)}
    words = ("--depot", code, "--date", DAY.isoformat())
    said = [called(each, *words, environ=environ).stdout for each in ("plan", "release") * 2]
    assert "1 stop on 1 route, 0 left out" in said[0]
    assert "1 route, 1 stop released" in said[1]
    for again in said[2:]:
        assert "everything of that day is released already (1 stop)" in again
        assert "0 stops" not in again
    told = called("plan", *words, "--json", environ=environ).stdout
    assert json.loads(told)["already_released"] == 1


async def test_people_see_steps_and_reasons(
    fresh_db: Database, fresh_pg_url: str, tmp_path: Path
) -> None:
    """Without --json progress goes to stderr and the summary names who was left out, and why."""
    async with fresh_db.begin() as tx:
        await segment(tx, "standard")
    made = await base(fresh_db, shifts=0)
    async with fresh_db.begin() as tx:
        await consignment(tx, made.depot, "A")
        code = (await fleet.depot_codes(tx))[made.depot]
    environ = {"DOORSTEP_DATABASE_URL": fresh_pg_url, "DOORSTEP_DATA": str(tmp_path)}
    done = called("plan", "--depot", code, "--date", DAY.isoformat(), environ=environ)
    assert done.returncode == 0, done.stderr
    assert "0 stops on 0 routes, 1 left out" in done.stdout
    assert "A: no shift is planned for this depot and date" in done.stdout


async def test_mistakes_are_told_in_a_sentence(fresh_pg_url: str, tmp_path: Path) -> None:
    """An unknown depot, engine or day is no traceback."""
    environ = {"DOORSTEP_DATABASE_URL": fresh_pg_url, "DOORSTEP_DATA": str(tmp_path)}
    for words, said in (
        (("--depot", "nowhere", "--date", "2026-11-24"), "there is no depot 'nowhere'"),
        (("--depot", "x", "--date", "2026-11-24", "--engine", "abacus"), "there is: ortools"),
        (("--depot", "x", "--date", "tomorrow"), "does not match the format"),
    ):
        done = called("plan", *words, environ=environ)
        assert done.returncode != 0
        assert said in done.stderr
        assert "Traceback" not in done.stderr
