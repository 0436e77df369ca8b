"""Photos: decoded whole, within limits, upright, with the camera's claims kept as claims."""

import io
import os
import random
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import ExifTags, Image, ImageFilter

from pod.photo import MAX_BYTES, dhash, inspect_photo
from pod.refusals import PhotoTooLarge, PhotoUnreadable

DATA = Path(os.environ.get("DOORSTEP_DATA_SETS", Path(__file__).parents[3] / "shared" / "data"))
HOSTILE = DATA / "pod_photos" / "pillow"


def scene(width: int = 320, height: int = 240) -> Image.Image:
    """Return a picture with shapes in it, the same every time."""
    picture = Image.radial_gradient("L").resize((width, height))
    stripes = Image.linear_gradient("L").resize((width // 4, height // 3)).rotate(90, expand=True)
    picture.paste(stripes, (width // 8, height // 5))
    picture.paste(255, (width // 2, height // 2, width // 2 + 20, height // 2 + 60))
    return picture.convert("RGB")


def encoded(picture: Image.Image, format_: str = "JPEG", **options: object) -> bytes:
    """Return the picture's bytes."""
    out = io.BytesIO()
    picture.save(out, format_, **options)
    return out.getvalue()


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_three_formats_are_taken(format_: str) -> None:
    """JPEG, PNG and WebP decode to the same picture."""
    facts = inspect_photo(encoded(scene(), format_))
    assert (facts.format, facts.width, facts.height) == (format_, 320, 240)
    assert (int(facts.dhash, 16) ^ int(dhash(scene().convert("L")), 16)).bit_count() <= 4
    assert facts.warnings == ()


@pytest.mark.parametrize("format_", ["GIF", "TIFF", "BMP", "ICO"])
def test_other_formats_are_refused(format_: str) -> None:
    """A picture of another format is refused whatever it calls itself."""
    with pytest.raises(PhotoUnreadable):
        inspect_photo(encoded(scene(64, 64), format_))


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF\x04\x00\x00\x00WEBP"]
)
def test_a_beginning_is_no_picture(data: bytes) -> None:
    """The right first bytes are not enough."""
    with pytest.raises(PhotoUnreadable):
        inspect_photo(data)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_cut_anywhere_is_refused(format_: str, options: dict[str, object]) -> None:
    """A file that lost its tail, even its last two bytes, is refused."""
    whole = encoded(scene(), format_, **(options if format_ == "JPEG" else {}))
    assert inspect_photo(whole).warnings == ()
    for kept in (len(whole) // 3, len(whole) // 2, len(whole) - 100, len(whole) - 2):
        with pytest.raises(PhotoUnreadable):
            inspect_photo(whole[:kept])


def test_24_megapixels_are_the_limit() -> None:
    """6000 x 4000 is taken, one column more is too large, before anything is decoded."""
    grey = Image.new("L", (6000, 4000), 128)
    assert inspect_photo(encoded(grey, "PNG")).width == 6000
    with pytest.raises(PhotoTooLarge):
        inspect_photo(encoded(Image.new("L", (6001, 4000), 128), "PNG"))


def test_a_bomb_is_only_its_header() -> None:
    """A PNG of 60,000 x 60,000 pixels is refused by what its header says."""
    data = encoded(scene(8, 8), "PNG")
    header = b"IHDR" + struct.pack(">II", 60_000, 60_000) + data[24:29]
    bomb = data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]
    with pytest.raises(PhotoTooLarge):
        inspect_photo(bomb)


def test_too_many_bytes() -> None:
    """More than 8 MiB is refused unread."""
    with pytest.raises(PhotoTooLarge):
        inspect_photo(b"\xff" * (MAX_BYTES + 1))


def test_a_moving_picture_is_no_photo() -> None:
    """An animated WebP is refused."""
    frames = [scene(64, 64), scene(64, 64).rotate(90)]
    data = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    with pytest.raises(PhotoUnreadable):
        inspect_photo(data)


def test_size_and_hash_are_those_of_the_upright_picture() -> None:
    """The eight ways to hold a phone give one picture."""
    upright = scene(200, 100)
    transpose = Image.Transpose
    stored_as = {
        1: upright,
        3: upright.transpose(transpose.ROTATE_180),
        6: upright.transpose(transpose.ROTATE_90),
        8: upright.transpose(transpose.ROTATE_270),
    }
    seen = set()
    for orientation, stored in stored_as.items():
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        facts = inspect_photo(encoded(stored, "PNG", exif=exif))
        seen.add((facts.width, facts.height, facts.dhash))
    assert len(seen) == 1
    assert {(width, height) for width, height, _ in seen} == {(200, 100)}


def test_claims_of_the_camera() -> None:
    """Time and place from EXIF are kept, as claims."""
    exif = Image.Exif()
    exif[ExifTags.Base.DateTime] = "2026:11:20 09:30:00"
    exif[ExifTags.IFD.GPSInfo] = {1: "N", 2: (39.0, 17.0, 34.8), 3: "W", 4: (76.0, 35.0, 11.76)}
    facts = inspect_photo(encoded(scene(), exif=exif))
    assert (facts.taken_at, facts.lat, facts.lon) == ("2026:11:20 09:30:00", 39.293, -76.5866)


def test_remarks_on_light_and_focus() -> None:
    """Dark, overexposed and blurred are remarks, not refusals."""
    assert "dark" in inspect_photo(encoded(Image.new("RGB", (320, 240), (4, 4, 4)))).warnings
    white = inspect_photo(encoded(Image.new("RGB", (320, 240), "white")))
    assert "overexposed" in white.warnings
    soft = scene().filter(ImageFilter.GaussianBlur(12))
    assert "blurred" in inspect_photo(encoded(soft)).warnings


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_bytes_behind_the_picture_are_remarked(format_: str) -> None:
    """Something appended (another file, perhaps) is told, the picture still counts."""
    facts = inspect_photo(encoded(scene(), format_) + b"PK\x03\x04 and so on")
    assert facts.warnings == ("trailing_data",)


def test_transparency_is_seen_on_white() -> None:
    """A see-through picture is judged as a person would see it."""
    clear = Image.new("RGBA", (320, 240), (0, 0, 0, 0))
    assert "overexposed" in inspect_photo(encoded(clear, "PNG")).warnings


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_mutated_photos_are_taken_or_refused(format_: str) -> None:
    """Flipped, doubled, dropped and foreign bytes end in facts or a refusal, nothing else."""
    chance, whole = random.Random(20261120), encoded(scene(96, 64), format_)
    for _ in range(300):
        spoilt = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            at = chance.randrange(len(spoilt))
            match chance.randrange(4):
                case 0:
                    spoilt[at] ^= 1 << chance.randrange(8)
                case 1:
                    spoilt[at:at] = chance.randbytes(chance.randint(1, 40))
                case 2:
                    del spoilt[at : at + chance.randint(1, 40)]
                case _:
                    spoilt[at] = 0xFF
        with suppress(PhotoUnreadable, PhotoTooLarge):
            assert inspect_photo(bytes(spoilt)).width > 0


@pytest.mark.skipif(not HOSTILE.is_dir(), reason=f"HOSTILE PHOTOS NOT TESTED: no {HOSTILE}")
def test_hostile_photos_are_taken_or_refused() -> None:
    """Every picture of the hostile set ends in facts or in a refusal; the names say which."""
    taken, refused = set(), set()
    for path in sorted(HOSTILE.iterdir()):
        try:
            facts = inspect_photo(path.read_bytes())
        except (PhotoUnreadable, PhotoTooLarge):
            refused.add(path.name)
        else:
            assert facts.width > 0
            taken.add(path.name)
    assert len(taken) + len(refused) >= 40
    assert {"flower.jpg", "hopper.png", "hopper.webp", "exif_typeerror.jpg"} <= taken
    assert {"invalid-exif.jpg", "broken_exif_dpi.jpg", "pil_sample_cmyk.jpg"} <= taken
    assert {f"hopper_orientation_{n}.jpg" for n in range(2, 9)} <= taken
    assert {"truncated_jpeg.jpg", "truncated_image.png", "broken_data_stream.png"} <= refused
    assert {"decompression_bomb.gif", "hopper.gif", "ultrahdr.jpg"} <= refused
    assert not [name for name in taken if name.startswith(("crash", "timeout", "oom"))]
