"""Large drills from the command line, over several seeds, with every fault and a killed server."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.fixtures.processes import command, environment

pytestmark = pytest.mark.soak

MINUTES = 20
LARGE = ("--drivers", "20", "--stops", "20", "--offline", "0.3", "--faults", "all")
HARSH = ("--drivers", "12", "--stops", "15", "--faults", "0.15", "--mishaps", "0.5")


@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize("size", [LARGE, HARSH], ids=["large", "harsh"])
def test_a_large_drill_loses_nothing(size: tuple[str, ...], seed: int, short_folder: Path) -> None:
    """Whatever the seed: nothing lost, nothing doubled, every copy true, the log verified."""
    words = [*size, "--restarts", "3", "--seed", str(seed), "--data", str(short_folder)]
    done = subprocess.run(
        command("drill", *words, "--json"),
        env=environment(None),
        capture_output=True,
        text=True,
        timeout=60 * MINUTES,
        check=False,
    )
    assert done.returncode == 0, done.stdout[:5_000] + done.stderr
    told = json.loads(done.stdout)
    assert (told["lost"], told["doubled"], told["odd"], told["diverged"]) == ([], [], [], [])
    assert told["restarts"] == 3
