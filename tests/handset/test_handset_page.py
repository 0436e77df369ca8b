"""What docs/handset.md shows runs as it stands, against a real server."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from backend.clock import SystemClock
from backend.identity.devices import issue_enrolment_code
from backend.keys import load_keys
from backend.store.database import Database
from backend.tables.stops import Stop
from tests.fixtures.phones import settings_for
from tests.fixtures.servers import serving
from tests.fixtures.visits import a_round

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
EXAMPLE = re.compile(r"```python\n(.*?)```", re.DOTALL)


async def test_the_example_delivers_a_stop(fresh_pg_url: str, tmp_path: Path) -> None:
    """Copied into a file, it enrols, delivers the first stop and brings its photo in."""
    settings = settings_for(fresh_pg_url, tmp_path / "data")
    settings.data.mkdir()
    keys = load_keys(settings.data, log_name=settings.log_name)
    db = Database(fresh_pg_url, clock=SystemClock())
    made = await a_round(db, "economy", keys=keys)
    async with db.begin() as tx:
        code = (await issue_enrolment_code(tx, keys, made.driver))[0]
    (example,) = EXAMPLE.findall((ROOT / "docs" / "handset.md").read_text(encoding="utf-8"))
    Image.effect_noise((640, 480), 60).save(tmp_path / "door.jpg")
    with serving(settings) as server:
        here = example.replace("http://127.0.0.1:8080", f"http://127.0.0.1:{server.port}")
        script = tmp_path / "visit.py"
        script.write_text(here, encoding="utf-8")
        ran = subprocess.run(  # noqa: ASYNC221 - our own page, and nothing else runs here
            [sys.executable, script, code, "door.jpg"],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
    async with db.snapshot() as tx:
        stop = await tx.get_one(Stop, made.stops["economy"])
    await db.close()
    assert (stop.state, stop.proof) == ("delivered", "accepted")
