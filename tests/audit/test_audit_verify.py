"""The verifier: good bundles pass, and everything else is told apart by its exit code and place."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.audit import verify as v
from backend.audit.checkpoint import signer
from tests.audit.bundles import (
    KEY,
    PHOTO,
    SIGNER,
    Log,
    check,
    pack,
    pack_with_zipfile,
    small_log,
    uuid,
)

LOG = small_log()
GOOD = LOG.members(files=(PHOTO + b"\0", PHOTO + b"\2"), since=5)


def test_a_good_bundle_fits(tmp_path: Path) -> None:
    """A bundle with openings, evidence and an older tree fits, with and without --since."""
    report = check(tmp_path, pack(GOOD), since=LOG.note(5))
    assert (report.code, report.entries, report.tree_size) == (v.OK, 12, 12), report.text
    report = check(tmp_path, pack(GOOD))
    assert report.code == v.OK
    assert "freshness not proven" in report.text


@given(
    size=st.integers(0, 40),
    first=st.integers(0, 40),
    count=st.integers(0, 40),
    since=st.none() | st.integers(0, 40),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_every_range_of_every_tree_fits(
    tmp_path: Path, size: int, first: int, count: int, since: int | None
) -> None:
    """No good bundle is ever flagged: any range, empty ones included, and any older tree."""
    log = Log()
    for number in range(size):
        log.append("stop", uuid(number % 5), "stop.changed", personal={"note": "é\n\u2028"})
    count = min(count, size - min(first, size))
    first = min(first, size) if count else 0
    since = None if since is None else min(since, size)
    bundle = pack(log.members(first, count, since))
    report = check(tmp_path, bundle, since=None if since is None else log.note(since))
    assert report.code == v.OK, report.text


def test_zipfile_writes_the_canonical_form() -> None:
    """Anyone can make the canonical form: Python's zipfile gives the same bytes."""
    assert pack(GOOD) == pack_with_zipfile(GOOD)


@pytest.mark.parametrize("kept", range(4))
def test_openings_and_files_may_be_left_out(tmp_path: Path, kept: int) -> None:
    """Leaving out openings (some, all, the member itself) or evidence files is allowed."""
    lines = GOOD["openings.jsonl"].splitlines(keepends=True)
    members = dict(GOOD)
    members["openings.jsonl"] = b"".join(lines[3 - kept :: 2] if kept else [])
    if kept == 3:
        del members["openings.jsonl"]
    members = {name: data for name, data in members.items() if not name.startswith("evidence/")}
    assert check(tmp_path, pack(members)).code == v.OK


def _entry(change: object) -> bytes:
    first, *rest = GOOD["entries.jsonl"].splitlines(keepends=True)
    body = json.loads(first)
    body.update(change)
    return v.canonical(body) + b"\n" + b"".join(rest)


def _csv(line: bytes) -> bytes:
    return GOOD["evidence.csv"] + line


LINES = GOOD["entries.jsonl"].splitlines(keepends=True)
OPENINGS = GOOD["openings.jsonl"].splitlines(keepends=True)
OTHER = signer("doorstep.example/log", b"\1" * 32)

TAMPERED: list[tuple[str, str, bytes | None]] = [
    ("entries.jsonl", "an entry is changed", _entry({"at": "2026-11-20T09:00:01.000Z"})),
    ("entries.jsonl", "an unknown member", _entry({"seen": True})),
    ("entries.jsonl", "another version", _entry({"v": 2})),
    ("entries.jsonl", "v is true", _entry({"v": True})),
    ("entries.jsonl", "no such day", _entry({"at": "2026-13-20T09:00:01.000Z"})),
    ("entries.jsonl", "no such actor", _entry({"actor": {"type": "robot", "id": "x"}})),
    ("entries.jsonl", "an actor of no type", _entry({"actor": {"type": [], "id": "x"}})),
    ("entries.jsonl", "a change without after", _entry({"change": {"state": [1]}})),
    ("entries.jsonl", "a bare value as pii", _entry({"pii": {"name": "Zoe"}})),
    ("entries.jsonl", "no hash in evidence", _entry({"evidence": ["x"]})),
    ("entries.jsonl", "prev at the start", _entry({"prev": "0" * 64})),
    ("entries.jsonl", "version skipped", _entry({"n": 2})),
    ("entries.jsonl", "first entry missing", b"".join(LINES[1:])),
    ("entries.jsonl", "last entry missing", b"".join(LINES[:-1])),
    ("entries.jsonl", "two swapped", LINES[1] + LINES[0] + b"".join(LINES[2:])),
    ("entries.jsonl", "one twice", LINES[0] + GOOD["entries.jsonl"]),
    ("entries.jsonl", "an empty line", GOOD["entries.jsonl"] + b"\n"),
    ("entries.jsonl", "no LF at the end", GOOD["entries.jsonl"][:-1]),
    ("entries.jsonl", "CR LF", GOOD["entries.jsonl"].replace(b"\n", b"\r\n")),
    ("entries.jsonl", "white space", GOOD["entries.jsonl"].replace(b'":', b'": ', 1)),
    ("entries.jsonl", "a fraction", GOOD["entries.jsonl"].replace(b'"n":1', b'"n":1.0', 1)),
    ("entries.jsonl", "2^53", GOOD["entries.jsonl"].replace(b'"n":1', b'"n":9007199254740992', 1)),
    ("entries.jsonl", "an escape", GOOD["entries.jsonl"].replace("ü".encode(), b"\\u00fc", 1)),
    ("entries.jsonl", "a lone surrogate", GOOD["entries.jsonl"].replace(b"planned", b"\\ud800", 1)),
    ("entries.jsonl", "not UTF-8", GOOD["entries.jsonl"].replace(b"planned", b"\xff", 1)),
    ("entries.jsonl", "deep nesting", b"[" * 100_000 + b"\n"),
    ("entries.jsonl", "a long line", b"[" * (v.LINE_LIMIT + v.CHUNK + 1)),
    ("entries.jsonl", "a huge number", b"1" * 100_000 + b"\n"),
    ("entries.jsonl", "empty", b""),
    ("range.json", "shifted", b'{"count":11,"first":1,"tree_size":12}'),
    ("range.json", "beyond the tree", b'{"count":13,"first":0,"tree_size":12}'),
    ("range.json", "an empty range elsewhere", b'{"count":0,"first":3,"tree_size":12}'),
    ("range.json", "another tree", b'{"count":12,"first":0,"tree_size":13}'),
    ("range.json", "negative", b'{"count":12,"first":-1,"tree_size":12}'),
    ("range.json", "LF", GOOD["range.json"] + b"\n"),
    ("range.json", "a list", b"[]"),
    ("range.json", "true", b'{"count":true,"first":0,"tree_size":12}'),
    ("range.json", "huge", b"1" * 100_000),
    ("checkpoint", "another key", LOG.note(by=OTHER)),
    ("checkpoint", "another log", LOG.note(by=signer("other", bytes(range(32))))),
    ("checkpoint", "an older one", LOG.note(5)),
    ("checkpoint", "two signatures", GOOD["checkpoint"] + GOOD["checkpoint"].splitlines(True)[-1]),
    ("checkpoint", "LF at the end", GOOD["checkpoint"] + b"\n"),
    ("checkpoint", "an extension", GOOD["checkpoint"].replace(b"\n\n", b"\nmore\n\n")),
    ("checkpoint", "size with a zero", GOOD["checkpoint"].replace(b"\n12\n", b"\n012\n")),
    ("checkpoint", "hyphen for dash", GOOD["checkpoint"].replace("—".encode(), b"-")),
    ("proof.json", "no older tree", b'{"inclusion":[]}'),
    ("proof.json", "one hash more", GOOD["proof.json"].replace(b"[]", b'["' + b"A" * 43 + b'="]')),
    ("proof.json", "base64 with other spare bits", GOOD["proof.json"].replace(b'="', b'F"', 1)),
    ("openings.jsonl", "another value", GOOD["openings.jsonl"].replace(b"8001", b"8002", 1)),
    ("openings.jsonl", "reversed", b"".join(reversed(OPENINGS))),
    ("openings.jsonl", "one twice", OPENINGS[0] + GOOD["openings.jsonl"]),
    ("openings.jsonl", "of no entry", OPENINGS[0].replace(b'"entry":1,', b'"entry":77,')),
    ("openings.jsonl", "of another entry", OPENINGS[0].replace(b'"entry":1,', b'"entry":2,')),
    ("openings.jsonl", "of another field", OPENINGS[0].replace(b"postcode", b"postcodf")),
    ("openings.jsonl", "entry is true", OPENINGS[0].replace(b'"entry":1,', b'"entry":true,')),
    ("openings.jsonl", "a number", OPENINGS[0].replace(b'"8001"', b"8001")),
    ("openings.jsonl", "white space", OPENINGS[0].replace(b",", b", ", 1)),
    ("openings.jsonl", "no LF", OPENINGS[0][:-1]),
    ("evidence.csv", "a row more", _csv(b"0" * 64 + b",1,image/jpeg,,2026-11-20T09:00:00.000Z\n")),
    ("evidence.csv", "a row less", GOOD["evidence.csv"].rsplit(b"\n", 2)[0] + b"\n"),
    ("evidence.csv", "a changed size", GOOD["evidence.csv"].replace(b",39,", b",40,", 1)),
    ("evidence.csv", "no header", GOOD["evidence.csv"].split(b"\n", 1)[1]),
    ("evidence.csv", "empty", b""),
    ("key.pub", "another key", OTHER.key.text.encode()),
    ("key.pub", "no LF", KEY[:-1]),
    ("verify.py", "one that always agrees", b"print('ok')\n"),
    ("verify.py", "a comment more", GOOD["verify.py"] + b"# harmless\n"),
    ("evidence/" + "0" * 64, "a file that no entry names", b"x"),
    (next(name for name in GOOD if name.startswith("evidence/")), "another photo", b"x"),
    ("evidence.csv", "the member is missing", None),
    ("key.pub", "the member is missing", None),
    ("verify.py", "the member is missing", None),
    ("README", "a member more", b"hello"),
]


@pytest.mark.parametrize(
    ("name", "data"),
    [pytest.param(name, data, id=f"{name}: {what}") for name, what, data in TAMPERED],
)
def test_a_repacked_change_is_found_and_placed(
    tmp_path: Path, name: str, data: bytes | None
) -> None:
    """Whoever changes a member and writes a perfect archive around it is found, and where."""
    members = {key: value for key, value in (GOOD | {name: data}).items() if value is not None}
    fixed = [item for item in members.items() if not item[0].startswith("evidence/")]
    files = sorted(item for item in members.items() if item[0].startswith("evidence/"))
    report = check(tmp_path, pack(dict(fixed + files)))
    assert report.code == v.UNFIT, report.text
    assert report.place not in {"", "bundle"}
    if data is not None and name in {"openings.jsonl", "evidence.csv", "key.pub"}:
        assert name in report.place, report.text


def test_a_wrong_version_number_or_chain_is_found_although_signed(tmp_path: Path) -> None:
    """The log's own key does not excuse an entry that skips a version of its entity."""
    log = Log()
    log.append("stop", uuid(1), "stop.planned")
    log.heads["stop", uuid(1)] = (4, log.heads["stop", uuid(1)][1])
    log.append("stop", uuid(1), "stop.released")
    report = check(tmp_path, pack(log.members()))
    assert (report.code, report.place) == (v.UNFIT, "entries.jsonl line 2")
    log = Log(heads={("stop", uuid(1)): (1, "0" * 64)})
    log.append("stop", uuid(1), "stop.released")
    report = check(tmp_path, pack(log.members()))
    assert (report.code, report.place) == (v.UNFIT, "entries.jsonl line 1")


def test_evidence_verified_twice_has_a_row_each(tmp_path: Path) -> None:
    """Two devices may verify the same bytes: each entry has its row, in leaf order."""
    log = Log()
    log.verified(b"same", uuid(2))
    log.verified(b"same", uuid(1))
    members = log.members(files=(b"same",))
    assert [row.split(b",")[3] for row in members["evidence.csv"].splitlines()[1:]] == [
        uuid(2).encode(),
        uuid(1).encode(),
    ]
    assert check(tmp_path, pack(members)).code == v.OK


def _since_cases() -> list[tuple[str, bytes, int]]:
    fork = small_log()
    fork.lines[3] = fork.lines[3].replace(b"image", b"imago")
    good = LOG.note(5)
    return [
        ("the size with a proof", good, v.OK),
        ("the same size", LOG.note(12), v.OK),
        ("the empty log", LOG.note(0), v.OK),
        ("no proof from this size", LOG.note(6), v.UNREADABLE),
        ("another history", fork.note(5), v.UNFIT),
        ("another history of the same size", fork.note(12), v.UNFIT),
        ("another history, empty", SIGNER.sign(0, b"\0" * 32).encode(), v.UNFIT),
        ("another key", LOG.note(5, by=OTHER), v.UNFIT),
        ("a larger tree", small_log(4).note(), v.STALE),
        ("a larger tree of another key", small_log(4).note(by=OTHER), v.UNFIT),
        ("a damaged checkpoint", good.replace(b"\n5\n", b"\n4\n"), v.UNFIT),
        ("a checkpoint with white space", good + b" ", v.UNFIT),
        ("a shortened checkpoint", good[:-3], v.UNFIT),
        ("no checkpoint at all", b"hello\n", v.UNREADABLE),
        ("nothing", b"", v.UNREADABLE),
    ]


@pytest.mark.parametrize(
    ("since", "code"), [pytest.param(since, code, id=what) for what, since, code in _since_cases()]
)
def test_the_given_checkpoint(tmp_path: Path, since: bytes, code: int) -> None:
    """--since separates the same history from another, a missing proof, and a stale bundle."""
    report = check(tmp_path, pack(GOOD), since=since)
    assert report.code == code, report.text


@pytest.mark.parametrize(
    "key",
    [
        b"",
        KEY[:-1],
        KEY + b"\n",
        b" " + KEY,
        KEY.replace(b"+", b" ", 1),
        KEY.replace(b"doorstep", b"Doorstep"),
        b"\xff",
        KEY * 2,
        b"log+00000000+" + b"A" * 44 + b"\n",
    ],
)
def test_an_unreadable_key(tmp_path: Path, key: bytes) -> None:
    """A key file that is not exactly a verifier key is 2, whatever the bundle says."""
    assert check(tmp_path, pack(GOOD), key).code == v.UNREADABLE


def test_another_key_does_not_fit(tmp_path: Path) -> None:
    """A well-formed key of someone else is 1: the bundle does not fit it."""
    assert check(tmp_path, pack(GOOD), OTHER.key.text.encode()).code == v.UNFIT


def test_files_that_are_no_bundles(tmp_path: Path) -> None:
    """A missing file or one that never was a ZIP is 2; a ZIP of something else is 1."""
    assert v.verify(tmp_path / "absent.zip", KEY).code == v.UNREADABLE
    assert v.verify(tmp_path, KEY).code == v.UNREADABLE
    assert check(tmp_path, b"# README\n" * 100).code == v.UNREADABLE
    assert check(tmp_path, pack({"a.txt": b"x"})).code == v.UNFIT
    assert check(tmp_path, pack({})).code == v.UNFIT
    assert check(tmp_path, b"").code == v.UNFIT


def test_the_script_runs_alone(tmp_path: Path) -> None:
    """The copy in the bundle runs by itself, in a folder without Doorstep, with the same codes."""
    (tmp_path / "verify.py").write_bytes(GOOD["verify.py"])
    (tmp_path / "good.zip").write_bytes(pack(GOOD))
    (tmp_path / "bad.zip").write_bytes(pack(GOOD)[:-1])
    (tmp_path / "log.pub").write_bytes(KEY)
    (tmp_path / "older").write_bytes(LOG.note(5))
    (tmp_path / "newer").write_bytes(small_log(4).note())

    def run(*arguments: str, flag: str = "-I") -> int:
        command = [sys.executable, flag, "verify.py", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode

    assert run("good.zip", "--key", "log.pub", "--since", "older") == v.OK
    assert run("bad.zip", "--key", "log.pub") == v.UNFIT
    assert run("good.zip", "--key", "good.zip") == v.UNREADABLE
    assert run("good.zip", "--key", "nowhere") == v.UNREADABLE
    assert run("good.zip", "--key", "log.pub", "--since", "newer") == v.STALE
    assert run("good.zip", "--key", "log.pub", flag="-S") == v.UNREADABLE  # no `cryptography`
