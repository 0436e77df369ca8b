"""The conformance kit finds our server in order, and a broken one broken where it is."""

import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backend.cli.conformance.kit.checks import CHECKS, Lab, try_all
from backend.cli.conformance.kit.report import line
from backend.cli.conformance.kit.round import Round
from backend.cli.conformance.kit.verdict import CannotBegin, Verdict
from backend.cli.conformance.kit.wire import Wire
from backend.settings import Settings
from tests.conformance.ground import Ground, Spoil, a_route_out, broken, described, prepared
from tests.fixtures.phones import settings_for
from tests.fixtures.processes import ROOT, called, doorstep
from tests.fixtures.servers import serving

pytestmark = pytest.mark.anyio

Json = dict[str, Any]
PAGE = ROOT / "docs" / "sync-protocol.md"


@pytest.fixture(scope="module")
def settings(pg_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Those of the server that is tried."""
    return settings_for(pg_url, tmp_path_factory.mktemp("conformance"))


@pytest.fixture(scope="module")
async def ground(settings: Settings) -> AsyncIterator[Ground]:
    """Bring the server up."""
    with serving(settings) as server:
        async with prepared(settings, server.port) as ground:
            yield ground


def no_duplicates(reply: Json) -> None:
    """Answer repeats as if they were new."""
    for receipt in reply.get("receipts", []):
        receipt["duplicate"] = False


def forks_apply(reply: Json) -> None:
    """Take other content under a number that was taken."""
    for receipt in reply.get("receipts", []):
        if receipt["code"] == "fork":
            receipt |= {"outcome": "applied", "code": None}


def gaps_vanish(reply: Json) -> None:
    """Let gaps pass unnoticed."""
    if reply.get("need_from") is not None:
        reply["need_from"] = None


def wrong_digest(reply: Json) -> None:
    """Lose an entity, and the digest does not tell."""
    if reply.get("puts"):
        reply["puts"].pop()


def stingy(reply: Json) -> None:
    """Leave out what the same request changed."""
    if reply.get("receipts"):
        reply["puts"] = []


def babbling(reply: Json) -> None:
    """Tell foreign and unknown stops apart."""
    for receipt in reply.get("receipts", []):
        if receipt["code"] == "unknown_stop":
            receipt["detail"] = receipt["id"]


SABOTAGES: list[tuple[Spoil, set[str]]] = [
    (no_duplicates, {"2.2.2a", "2.2.2b", "2.2.2c"}),
    (forks_apply, {"2.2.2b"}),
    (gaps_vanish, {"2.2.3a"}),
    (wrong_digest, {"2.2.7a", "2.2.7b", "2.2.10"}),
    (stingy, {"2.2.7a", "2.2.7b", "2.2.10"}),
    (babbling, {"2.2.8a"}),
]


TRIED = ("2.2.1", "2.2.2", "2.2.3a", "2.2.7", "2.2.8a")


async def test_broken_servers_are_found_out(ground: Ground) -> None:
    """Each fails the checks of the rule that it breaks, and no other of the rules of receipts."""
    codes = iter(ground.spare.codes)
    for spoil, expected in SABOTAGES:
        round_ = Round([next(codes)], ground.spare.others if spoil is babbling else [])
        with broken(ground.port, spoil) as url:
            results = list(try_all(Lab(Wire(url), round_), TRIED))
        failed = {each.number for each in results if each.verdict is Verdict.FAILED}
        assert failed == expected, (spoil.__doc__, "\n".join(map(line, results)))


async def test_the_page_finds_what_customers_hold(
    ground: Ground, settings: Settings, tmp_path: Path
) -> None:
    """Its script prints `doors` of a route that is out, from what console and customers see."""
    found = re.search(r"<!-- doors -->\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    script = tmp_path / "doors.py"
    script.write_text(found[1], encoding="utf-8")
    async with a_route_out(settings, ground.port) as out:
        assert out.control is not None
        words = [sys.executable, str(script), ground.url, out.control.token]
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        ran = subprocess.run(  # noqa: ASYNC221 - our own page, and nothing else runs here
            [*words, today], capture_output=True, text=True, timeout=60, check=False
        )
    assert ran.returncode == 0, ran.stderr
    assert len(out.doors) == 1
    assert ran.stdout.strip() == json.dumps(msgspec.to_builtins(out.doors), indent=1)


async def test_our_server_conforms(ground: Ground, tmp_path: Path) -> None:
    """By the command, over real HTTP: every check is tried and passes.

    It comes after the broken ones, as its last check shuts the door on this address for a while.
    """
    path = described(ground.round, tmp_path / "round.json")
    done = called("conformance", ground.url, "--round", str(path), "--json")
    found = json.loads(done.stdout)
    off = [each for each in found["checks"] if each["verdict"] != "passed"]
    assert not off, json.dumps(off, indent=1)
    assert done.returncode == 0
    assert found["passed"] == len(CHECKS)


async def test_whoever_is_told_to_wait_is_not_tried(ground: Ground) -> None:
    """Whoever finds the door shut has found no deviation."""
    list(try_all(Lab(Wire(ground.url), Round()), ["1.3"]))
    with pytest.raises(CannotBegin, match=r"may enrol at present: wait \d+ seconds"):
        list(try_all(Lab(Wire(ground.url), Round(["ABCD-EFGH"])), ["1.1"]))


def test_the_page_and_the_checks_have_the_same_numbers() -> None:
    """No two share one, and every number that docs/sync-protocol.md cites is that of a check."""
    numbers = [each.number for each in CHECKS]
    assert len(set(numbers)) == len(numbers)
    cited = set(re.findall(r"\[(\d(?:\.\d+)*[a-e]?)\](?!\()", PAGE.read_text()))
    unknown = {one for one in cited if not any(number.startswith(one) for number in numbers)}
    assert not unknown


@pytest.mark.soak
def test_our_own_installation(short_folder: Path) -> None:
    """`--own` brings up an installation, prepares a round over the console, and it conforms."""
    done = doorstep("conformance", "--own", "--json", "--data", str(short_folder))
    found = json.loads(done.stdout)
    assert done.returncode == 0, json.dumps(found, indent=1)
    assert {each["verdict"] for each in found["checks"]} == {"passed"}
