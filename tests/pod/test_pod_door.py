"""Codes and tokens: derived, bound to one issue of one stop, parsed strictly."""

import hashlib
from uuid import UUID

import pytest

from pod.code import door_code, door_key, same_code
from pod.token import commitment, door_token, parse_qr, qr_svg, qr_text, same_token

MASTER = bytes(range(32))
STOP = UUID("01938f6e-7c00-7abc-8def-0123456789ab")
KEY = door_key(MASTER, STOP, 1)


def test_code_is_six_digits_and_stable() -> None:
    """The same issue has the same code for ever; nothing needs storing."""
    assert door_code(KEY) == door_code(door_key(MASTER, STOP, 1))
    assert len(door_code(KEY)) == 6
    assert door_code(KEY).isdigit()


def test_each_issue_stop_and_master_has_its_own() -> None:
    """A new issue, another stop or another installation derives another key."""
    others = {door_key(MASTER, STOP, 2), door_key(MASTER, UUID(int=1), 1), door_key(b"x", STOP, 1)}
    assert len(others | {KEY}) == 4


@pytest.mark.parametrize("written", ["{}{}", "{} {}", "{}-{}", " {}\u00a0{} "])
def test_code_forgives_how_it_is_typed(written: str) -> None:
    """Blanks and dashes between digits are how people write numbers."""
    code = door_code(KEY)
    assert same_code(written.format(code[:3], code[3:]), KEY)


@pytest.mark.parametrize("given", ["", "0", "١٢٣٤٥٦", "\ud800", "0" * 10_000])
def test_rubbish_is_simply_wrong(given: str) -> None:
    """Whatever is not the code is wrong, never an error."""
    assert not same_code(given, KEY)


def test_commitment_is_the_contracts() -> None:
    """The manifest's commitment hashes domain, stop and token as the contract spells it."""
    token = door_token(KEY)
    spelled = b"doorstep-door-v1\x00" + str(STOP).encode("ascii") + b"\x00" + token
    assert commitment(STOP, token) == hashlib.sha256(spelled).hexdigest()
    assert len(token) == 16


def test_qr_text_round_trips() -> None:
    """DS1: and 52 letters of base32 carry the stop and the token."""
    text = qr_text(STOP, door_token(KEY))
    assert text.startswith("DS1:")
    assert "=" not in text
    assert parse_qr(text) == (STOP, door_token(KEY))
    assert same_token(door_token(KEY), KEY)


def test_every_changed_letter_is_another_or_no_token() -> None:
    """No two spellings mean the same token: not one letter can be changed unnoticed."""
    text = qr_text(STOP, door_token(KEY))
    for at in range(len(text)):
        for letter in "ABZ27a1= ":
            if letter == text[at]:
                continue
            read = parse_qr(text[:at] + letter + text[at + 1 :])
            assert read is None or read != (STOP, door_token(KEY))


@pytest.mark.parametrize(
    "text", ["", "DS1:", "DS2:" + "A" * 52, "DS1:" + "é" * 52, "DS1:" + "A" * 53]
)
def test_other_texts_are_no_token(text: str) -> None:
    """What we did not write we do not read."""
    assert parse_qr(text) is None


def test_qr_picture_names_nobody_and_runs_nothing() -> None:
    """The SVG is shapes alone: no script, no style, no address but the SVG namespace."""
    svg = qr_svg(qr_text(STOP, door_token(KEY)))
    assert svg.startswith("<svg")
    assert "script" not in svg
    assert svg.count("http") == 1
    assert "style=" not in svg
