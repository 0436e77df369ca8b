"""Signatures: strokes or a PNG, and whether anything is there."""

import io
import json
import os
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from pod.evidence import SignatureFacts
from pod.refusals import SignatureTooLarge, SignatureUnreadable
from pod.signature import MAX_BYTES, inspect_signature

DATA = Path(os.environ.get("DOORSTEP_DATA_SETS", Path(__file__).parents[3] / "shared" / "data"))
RECORDED = DATA / "signatures"
WAVE = [[[10 + 4 * i, 40 + (i % 7) * 5, 16 * i] for i in range(30)]]


def strokes(drawn: object) -> SignatureFacts:
    """Inspect strokes as evidence carries them."""
    return inspect_signature("application/json", json.dumps({"strokes": drawn}).encode())


def png(picture: Image.Image) -> SignatureFacts:
    """Inspect an image."""
    out = io.BytesIO()
    picture.save(out, "PNG")
    return inspect_signature("image/png", out.getvalue())


def test_strokes_have_extent_and_ink() -> None:
    """A drawn line is measured."""
    facts = strokes(WAVE)
    assert (facts.format, facts.points, facts.blank) == ("strokes", 30, False)
    assert facts.width == 116
    assert facts.ink > 116


def test_coordinates_from_0_to_1_are_scaled() -> None:
    """Clients that send fractions of their canvas are not blank for it."""
    assert not strokes([[[x / 300, y / 300, t] for x, y, t in WAVE[0]]]).blank


@pytest.mark.parametrize(
    "drawn",
    [
        [],
        [[]],
        [[[5, 5, 0]]],
        [[[5, 5, 0], [5, 5, 9], [5, 5, 20], [5, 5, 31]]],
        [[[5, 5, 0], [6, 5, 9], [6, 6, 20]]],
        [[[0, 0, 0], [90, 90, 9]]],
    ],
    ids=["nothing", "empty stroke", "a dot", "a long press", "a trembling tap", "two points"],
)
def test_too_little_is_blank(drawn: object) -> None:
    """A tap or an empty canvas is no signature."""
    assert strokes(drawn).blank


@pytest.mark.parametrize(
    "drawn",
    ["x", 5, None, [5], [["ab"]], [[[1]]], [[[1, 2, 3, 4]]], [[["1", 2, 3]]], [[[True, 2, 3]]]],
)
def test_what_is_not_strokes_is_refused(drawn: object) -> None:
    """Wrong shapes are unreadable."""
    with pytest.raises(SignatureUnreadable):
        strokes(drawn)


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xfe", b"[]", b'{"points": []}', b'{"strokes": [[[NaN, 1, 2]]]}', b"[" * 100_000],
)
def test_what_is_not_json_of_ours_is_refused(data: bytes) -> None:
    """Not UTF-8, not JSON, not ours, not a number, absurdly deep."""
    with pytest.raises(SignatureUnreadable):
        inspect_signature("application/json", data)


def test_absurd_numbers_are_refused() -> None:
    """Coordinates off every canvas are unreadable, however long the number."""
    with pytest.raises(SignatureUnreadable):
        strokes([[[10**400, 1, 2]]])


def test_limits() -> None:
    """Over 512 KiB or 20,000 points is too large."""
    with pytest.raises(SignatureTooLarge):
        inspect_signature("application/json", b" " * (MAX_BYTES + 1))
    with pytest.raises(SignatureTooLarge):
        strokes([[[1, 2]] * 20_001])


@pytest.mark.parametrize("mode", ["RGBA", "RGB", "L", "1"])
def test_drawn_png_is_not_blank(mode: str) -> None:
    """Dark ink on light or clear paper is seen."""
    paper = (0, 0, 0, 0) if mode == "RGBA" else "white"
    picture = Image.new("RGBA" if mode == "RGBA" else "RGB", (300, 120), paper)
    ImageDraw.Draw(picture).line([(20, 60), (90, 30), (150, 80), (260, 50)], "black", 3)
    facts = png(picture.convert(mode))
    assert (facts.format, facts.blank) == ("PNG", False)
    assert 230 <= facts.width <= 250


@pytest.mark.parametrize("shade", ["white", "black", "#777"])
def test_plain_png_is_blank(shade: str) -> None:
    """One shade all over is an empty canvas, whichever shade."""
    assert png(Image.new("RGB", (300, 120), shade)).blank


def test_a_dot_in_a_png_is_blank() -> None:
    """A few pixels are no signature."""
    picture = Image.new("RGB", (300, 120), "white")
    picture.paste("black", (10, 10, 14, 14))
    assert png(picture).blank


def test_png_must_be_a_png() -> None:
    """A JPEG, half a PNG and a bomb are refused."""
    out = io.BytesIO()
    Image.effect_noise((300, 120), 80).save(out, "PNG")
    with pytest.raises(SignatureUnreadable):
        inspect_signature("image/png", out.getvalue()[: len(out.getvalue()) // 2])
    with pytest.raises(SignatureUnreadable):
        inspect_signature("image/png", b"\xff\xd8\xff\xe0 not a png")
    with pytest.raises(SignatureTooLarge):
        png(Image.new("1", (6000, 5000)))


@pytest.mark.skipif(not RECORDED.is_dir(), reason=f"RECORDED STROKES NOT TESTED: no {RECORDED}")
@pytest.mark.parametrize("name", ["face", "square"])
def test_recorded_strokes(name: str) -> None:
    """Strokes of the commonest web widget, dots among them, are a signature."""
    groups = json.loads((RECORDED / f"{name}.json").read_text())
    drawn = [[[p["x"], p["y"], p["time"]] for p in group["points"]] for group in groups]
    assert not strokes(drawn).blank
