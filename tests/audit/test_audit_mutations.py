"""Every single-byte change to a bundle is found, and so is every cut, insertion and splice."""

import os
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.audit import verify as v
from tests.audit.bundles import KEY, PHOTO, Log, check, pack, small_log, uuid

SMALL = Log()
SMALL.append("stop", uuid(1), "stop.delivered", personal={"recipient_name": "Zoë"})
SMALL.verified(PHOTO, uuid(1))
SMALL.append("stop", uuid(1), "stop.noted")
MEMBERS = SMALL.members(0, 2, since=1, files=(PHOTO,))
BUNDLE = pack(MEMBERS)
SOURCE = BUNDLE.index(MEMBERS["verify.py"])
IN_SOURCE = range(SOURCE, SOURCE + len(MEMBERS["verify.py"]))


@pytest.fixture
def outcome(tmp_path: Path) -> Iterator[Callable[[int, int], int]]:
    """Give a function that changes one byte of the bundle's file and returns the exit code."""
    path = tmp_path / "bundle.zip"
    path.write_bytes(BUNDLE)
    assert v.verify(path, KEY).code == v.OK
    handle = os.open(path, os.O_RDWR)

    def change(position: int, mask: int) -> int:
        os.pwrite(handle, bytes([BUNDLE[position] ^ mask]), position)
        code = v.verify(path, KEY).code
        os.pwrite(handle, BUNDLE[position : position + 1], position)
        return code

    yield change
    os.close(handle)


def test_every_byte_in_three_ways(outcome: Callable[[int, int], int]) -> None:
    """Every byte outside the verifier's copy, changed in its lowest, its case and its high bit."""
    places = [at for at in range(len(BUNDLE)) if at not in IN_SOURCE]
    missed = [(at, mask) for at in places for mask in (1, 32, 128) if outcome(at, mask) != v.UNFIT]
    assert missed == []


def test_bytes_of_the_verifiers_copy(outcome: Callable[[int, int], int]) -> None:
    """The copy of the verifier is compared byte by byte: a change anywhere in it is found."""
    missed = [at for at in IN_SOURCE[::19] if outcome(at, 1) != v.UNFIT]
    assert missed == []


@pytest.mark.parametrize(
    ("name", "step"),
    [("range.json", 1), ("checkpoint", 11), pytest.param("checkpoint", 1, marks=pytest.mark.soak)],
)
def test_every_value_of_every_byte(
    outcome: Callable[[int, int], int], name: str, step: int
) -> None:
    """The range and the signed note, each byte with its other values; of the long note, each byte
    with a share of them that begins elsewhere at the next byte.
    """
    start = BUNDLE.index(MEMBERS[name])
    places = range(start, start + len(MEMBERS[name]))
    missed = [
        (at, mask)
        for at in places
        for mask in range(1 + at % step, 256, step)
        if outcome(at, mask) != v.UNFIT
    ]
    assert missed == []


@pytest.mark.soak
def test_every_bit_of_every_byte(outcome: Callable[[int, int], int]) -> None:
    """The same for each bit of the whole file."""
    masks = [1 << bit for bit in range(8)]
    missed = [
        (at, mask) for at in range(len(BUNDLE)) for mask in masks if outcome(at, mask) != v.UNFIT
    ]
    assert missed == []


def test_every_change_inside_a_perfect_archive(tmp_path: Path) -> None:
    """A changed byte is found by its content too, when checksums and headers were made to fit."""
    missed = []
    for name, data in MEMBERS.items():
        step = 997 if name == "verify.py" else 1
        for at in range(0, len(data), step):
            for mask in (1, 32):
                changed = data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]
                if check(tmp_path, pack(MEMBERS | {name: changed})).code != v.UNFIT:
                    missed.append((name, at, mask))
    assert missed == []


def test_base64_has_one_spelling(tmp_path: Path) -> None:
    """The spare bits at the end of a base64 text are part of what is checked."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    found = 0
    for name in ("checkpoint", "proof.json", "openings.jsonl"):
        text = MEMBERS[name].decode()
        for at in (match.start() for match in re.finditer(r"(?<!=)=", text)):
            last = alphabet.index(text[at - 1])
            for spare in range(1, 4):
                other = text[: at - 1] + alphabet[last ^ spare] + text[at:]
                report = check(tmp_path, pack(MEMBERS | {name: other.encode()}))
                assert report.code == v.UNFIT, report.text
                found += 1
    assert found >= 9


def test_every_cut(tmp_path: Path) -> None:
    """A bundle that ends early is found, wherever it ends."""
    path = tmp_path / "bundle.zip"
    path.write_bytes(BUNDLE)
    for length in sorted({*range(0, len(BUNDLE), 61), *range(len(BUNDLE) - 700, len(BUNDLE))})[
        ::-1
    ]:
        os.truncate(path, length)
        assert v.verify(path, KEY).code == v.UNFIT, length


def test_insertions_and_deletions(tmp_path: Path) -> None:
    """Bytes put in, taken out, doubled or swapped are found, as are bytes before and after."""
    seeded = random.Random(6962)
    for _ in range(600):
        at, length = seeded.randrange(len(BUNDLE)), seeded.randint(1, 40)
        head, piece, tail = BUNDLE[:at], BUNDLE[at : at + length], BUNDLE[at + length :]
        for changed in (
            head + tail,
            head + piece + piece + tail,
            head + seeded.randbytes(length) + piece + tail,
            head + piece[::-1] + tail,
        ):
            if changed != BUNDLE:
                assert check(tmp_path, changed).code == v.UNFIT, at
    for changed in (BUNDLE + b"\0", b"\0" + BUNDLE, b"PK" + BUNDLE, BUNDLE + BUNDLE):
        assert check(tmp_path, changed).code == v.UNFIT


def test_two_bundles_spliced(tmp_path: Path) -> None:
    """Members of one bundle in another, and the halves of two files, are found."""
    other = small_log().members(0, 2, since=1)
    for name in MEMBERS.keys() & other.keys():
        if other[name] != MEMBERS[name]:
            report = check(tmp_path, pack(MEMBERS | {name: other[name]}))
            assert report.code == v.UNFIT, name
    spliced = pack(other)
    for at in range(100, len(BUNDLE), 503):
        assert check(tmp_path, BUNDLE[:at] + spliced[at:]).code == v.UNFIT, at


def test_rubbish_never_crashes(tmp_path: Path) -> None:
    """Random bytes, with and without a ZIP's beginning, end in 1 or 2 and never in a traceback."""
    seeded = random.Random(8785)
    for _ in range(300):
        rubbish = seeded.randbytes(seeded.randrange(400))
        assert check(tmp_path, rubbish).code in {v.UNFIT, v.UNREADABLE}
        assert check(tmp_path, b"PK\x03\x04" + rubbish).code == v.UNFIT
        assert check(tmp_path, BUNDLE[: seeded.randrange(9000)] + rubbish).code == v.UNFIT
        assert check(tmp_path, BUNDLE, rubbish).code == v.UNREADABLE
        assert check(tmp_path, BUNDLE, since=rubbish).code == v.UNREADABLE


def test_every_byte_of_the_key_and_of_a_given_checkpoint(tmp_path: Path) -> None:
    """A changed key is unreadable; a changed checkpoint does not fit."""
    for at in range(len(KEY)):
        changed = KEY[:at] + bytes([KEY[at] ^ 1]) + KEY[at + 1 :]
        assert check(tmp_path, BUNDLE, changed).code == v.UNREADABLE, at
    since = SMALL.note(1)
    assert check(tmp_path, BUNDLE, since=since).code == v.OK
    for at in range(len(since)):
        for mask in (1, 32, 128):
            changed = since[:at] + bytes([since[at] ^ mask]) + since[at + 1 :]
            assert check(tmp_path, BUNDLE, since=changed).code == v.UNFIT, (at, mask)
