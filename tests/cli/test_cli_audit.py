"""`doorstep audit` as an operator and a stranger use it: outputs, exit codes, `--json`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from backend.audit import verify as v
from backend.cli.audit import audit
from tests.audit.bundles import KEY, pack, small_log

LOG = small_log()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A stranger's folder: bundles, a key, checkpoints."""
    (tmp_path / "good.zip").write_bytes(pack(LOG.members(since=5)))
    (tmp_path / "bad.zip").write_bytes(pack(LOG.members() | {"evidence.csv": b""}))
    (tmp_path / "log.pub").write_bytes(KEY)
    (tmp_path / "older").write_bytes(LOG.note(5))
    (tmp_path / "unknown").write_bytes(LOG.note(4))
    (tmp_path / "newer").write_bytes(small_log(4).note())
    return tmp_path


def run(folder: Path, *arguments: str) -> Result:
    """Call `doorstep audit` with files of the folder."""
    known = {path.name for path in folder.iterdir()}
    given = [str(folder / word) if word in known else word for word in arguments]
    return CliRunner().invoke(audit, given)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["good.zip", "--key", "log.pub"], v.OK),
        (["good.zip", "--key", "log.pub", "--since", "older", "--data", "unused"], v.OK),
        (["bad.zip", "--key", "log.pub"], v.UNFIT),
        (["good.zip", "--key", "older"], v.UNREADABLE),
        (["good.zip", "--key", "missing"], v.UNREADABLE),
        (["missing.zip", "--key", "log.pub"], v.UNREADABLE),
        (["good.zip", "--key", "log.pub", "--since", "log.pub"], v.UNREADABLE),
        (["good.zip", "--key", "log.pub", "--since", "unknown"], v.UNREADABLE),
        (["good.zip", "--key", "log.pub", "--since", "newer"], v.STALE),
        (["good.zip"], v.UNREADABLE),
    ],
)
def test_exit_codes(folder: Path, arguments: list[str], code: int) -> None:
    """0 fits, 1 does not, 2 cannot be read or connected, 3 is older than what one has."""
    assert run(folder, "verify", *arguments).exit_code == code


def test_the_place_is_named(folder: Path) -> None:
    """On 1 it says where, for people and for machines."""
    assert "evidence.csv line 1" in run(folder, "verify", "bad.zip", "--key", "log.pub").output
    told = run(folder, "verify", "bad.zip", "--key", "log.pub", "--json").stdout
    assert json.loads(told)["place"] == "evidence.csv line 1"


def test_key_seal_export_and_verify(tmp_path: Path, fresh_pg_url: str) -> None:
    """An operator's round: print the key, seal, export, and the bundle verifies with that key."""
    data = ["--data", str(tmp_path / "data")]
    environ = {"DOORSTEP_DATABASE_URL": fresh_pg_url}

    def call(*arguments: str) -> Result:
        result = CliRunner().invoke(audit, [*arguments, *data], env=environ)
        assert result.exit_code == 0, result.output
        return result

    key, checkpoint, bundle = tmp_path / "log.pub", tmp_path / "older", tmp_path / "out.zip"
    key.write_text(call("key").stdout)
    checkpoint.write_text(json.loads(call("seal", "--json").stdout)["checkpoint"])
    made = call("export", "--from", "2026-01-01T00:00:00Z", "--since", "0", "-o", str(bundle))
    assert bundle.name in made.stdout
    given = ["verify", str(bundle), "--key", str(key), "--since", str(checkpoint)]
    assert "ok" in call(*given).stdout
    wrong = CliRunner().invoke(audit, ["export", "--from", "x", *data], env=environ)
    assert wrong.exit_code == 2
