"""The drill itself: a small day of everything ends well, and a broken server is noticed."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from backend.cli.drill.day import spend
from backend.cli.drill.examine import Findings, examine
from backend.cli.drill.fate import Mishap, Odds
from backend.cli.drill.faults import ALL_FAULTS
from backend.cli.drill.muster import Company, Size, muster
from backend.cli.drill.report import replay, words
from backend.cli.drill.sabotage import Sabotage, spoil
from backend.cli.drill.witness import hear, promised
from backend.cli.first import make_ready
from backend.cli.system import System, run
from backend.settings import load
from tests.fixtures.processes import doorstep

pytestmark = pytest.mark.anyio

SIZE = Size(3, 5, Odds(mishaps=0.4, seed=5), ALL_FAULTS, office=0.3, restarts=1)


def _silent(_step: str) -> None:
    return None


@pytest.fixture
def ready_url(fresh_pg_url: str) -> str:
    """A database with the segments that come with Doorstep."""
    make_ready(fresh_pg_url)
    return fresh_pg_url


@pytest.fixture
async def system(ready_url: str, tmp_path: Path) -> AsyncIterator[System]:
    """API and jobs as the processes an operator runs, on a database of their own."""
    settings = replace(load({}), data=tmp_path, database_url=ready_url)
    async with run(settings, "127.0.0.1", 0, _silent) as running:
        yield running


async def _examined(company: Company) -> Findings:
    return examine(await hear(company), company.notebook.odd, company.traffic.failures)


async def test_a_day_ends_well_and_sabotage_is_noticed(system: System, tmp_path: Path) -> None:
    """Faults, mishaps, a control room and a kill lose nothing; a broken server is found out."""
    async with muster(system.url, system.settings, tmp_path / "phones", SIZE, _silent) as company:
        await spend(company, _silent, system.pull_the_plug)
        good = await _examined(company)
        assert good.is_good, words(company, good, 0)
        assert good.recorded >= 2 * SIZE.doors
        assert company.notebook.mishaps[Mishap.KILLED] > 0
        assert company.notebook.restarts == 1
        assert company.traffic.faults.total() > 0

        await spoil(system.settings, Sabotage.DIVERGE, promised(company))
        diverged = await _examined(company)
        assert len(diverged.diverged) == 1
        assert not diverged.is_good

        await spoil(system.settings, Sabotage.DOUBLE, promised(company))
        doubled = await _examined(company)
        assert len(doubled.doubled) == 1
        assert not doubled.is_good

        await spoil(system.settings, Sabotage.FORGET, promised(company))
        lost = await _examined(company)
        assert len(lost.lost) == 1
        told = words(company, lost, 0)
        assert lost.lost[0] in told
        assert f"--seed {SIZE.odds.seed}" in replay(company)
        assert replay(company) in told


@pytest.mark.parametrize(
    "sabotage",
    [
        Sabotage.DIVERGE,  # the one that a phone could heal before it is asked
        pytest.param(Sabotage.DOUBLE, marks=pytest.mark.soak),
        pytest.param(Sabotage.FORGET, marks=pytest.mark.soak),
    ],
)
def test_a_drill_that_finds_something_ends_with_1(sabotage: Sabotage, short_folder: Path) -> None:
    """What is wrong is named, with the command that does the same day again, sabotage and all.

    With this seed a photo goes up last of all, so that a phone has still to hear what it did.
    """
    size = ["--drivers", "2", "--stops", "4", "--seed", "1", "--data", str(short_folder)]
    done = doorstep("drill", *size, "--sabotage", sabotage.value, "--json")
    assert done.returncode == 1, done.stdout
    told = json.loads(done.stdout)
    assert told["good"] is False
    named = {wrong: len(told[wrong]) for wrong in ("lost", "doubled", "diverged")}
    assert named == {**dict.fromkeys(named, 0), _NAMED[sabotage]: 1}
    assert "--drivers 2 --stops 4 " in told["replay"]
    assert told["replay"].endswith(f" --sabotage {sabotage}")
    assert told["audit"] == "ok"
    assert "spoilt on request" in done.stderr


def test_a_quiet_day_is_told_in_whole_sentences(short_folder: Path) -> None:
    """Where nothing befell anybody, that is what the table says."""
    quiet = ("--faults", "none", "--mishaps", "0", "--office", "0", "--offline", "0")
    size = ("--drivers", "1", "--stops", "1", "--data", str(short_folder))
    done = doorstep("drill", *size, *quiet)
    assert done.returncode == 0, done.stderr
    rows = dict(
        line.split(maxsplit=1) for line in done.stdout.splitlines() if len(line.split()) > 1
    )
    assert rows["roads"].endswith("requests arrived, and nothing befell them")
    assert (rows["phones"], rows["office"]) == ("unharmed", "changed nothing")
    assert rows["clocks"].startswith("never set wrong; ")


_NAMED = {Sabotage.FORGET: "lost", Sabotage.DOUBLE: "doubled", Sabotage.DIVERGE: "diverged"}
