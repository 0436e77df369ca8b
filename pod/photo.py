"""A photo's bytes to facts: decoded, not sniffed. Runs in a worker process with limits.

One small decode serves everything: is it whole, how sharp, how dark, what does it look like
(a 64-bit difference hash, to find the same picture again). Bad light is a remark for the driver's
eye, never a refusal.
"""

import io
import warnings
from contextlib import suppress
from types import MappingProxyType

from PIL import ExifTags, Image, ImageFilter, ImageStat

from pod.evidence import PhotoFacts
from pod.jpeg import end_of_jpeg
from pod.refusals import PhotoTooLarge, PhotoUnreadable

MAX_BYTES = 8 * 1024 * 1024
MAX_PIXELS = 24_000_000
FORMATS = ("JPEG", "PNG", "WEBP")
_GLANCE = 640  # pixels on the long side are enough for every judgement here
_BLURRED_BELOW = 60.0  # variance of the Laplacian; a 6 px blur of a sharp picture reads 66
_DARK = 25
_BRIGHT = 230
_MOSTLY = 0.85
_LAPLACIAN = ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=128)
_SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that lie on their side
_UPRIGHT = MappingProxyType(
    {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
)


def inspect_photo(data: bytes) -> PhotoFacts:
    """Return a photo's facts.

    Raises:
        PhotoTooLarge: over 8 MiB or 24 megapixels.
        PhotoUnreadable: not a whole picture of a format we take, whatever its name says.
    """
    if len(data) > MAX_BYTES:
        raise PhotoTooLarge(f"{len(data)} bytes; at most {MAX_BYTES}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # oddities of EXIF; the limits are checked by hand
        picture = open_picture(data, FORMATS)
        turned = orientation(picture)
        width, height = picture.size if turned not in _SIDEWAYS else picture.size[::-1]
        taken_at, place = _claims(picture)
        trailing = _trailing_bytes(data, picture.format)
        glance = _decode_small(picture, turned)
    sharpness = _sharpness(glance)
    brightness = ImageStat.Stat(glance).mean[0]
    return PhotoFacts(
        format=str(picture.format),
        width=width,
        height=height,
        dhash=dhash(glance),
        sharpness=round(sharpness, 1),
        brightness=round(brightness, 1),
        taken_at=taken_at,
        lat=place[0] if place else None,
        lon=place[1] if place else None,
        warnings=_remarks(glance, sharpness, trailing=trailing),
    )


def open_picture(data: bytes, formats: tuple[str, ...]) -> Image.Image:
    """Open a still picture within the limits; nothing but its header is read.

    Raises:
        PhotoTooLarge: more than 24 megapixels.
        PhotoUnreadable: no picture of these formats, or one that moves.
    """
    Image.MAX_IMAGE_PIXELS = None  # counted below, where the answer can say which limit it was
    try:
        picture = Image.open(io.BytesIO(data), formats=formats)
    except Exception as error:  # the decoders raise whatever they like
        raise PhotoUnreadable(f"not a {' or '.join(formats)} picture") from error
    pixels = picture.width * picture.height
    if pixels > MAX_PIXELS:
        raise PhotoTooLarge(f"{pixels / 1e6:.1f} megapixels; at most {MAX_PIXELS / 1e6:.0f}")
    if picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:
        raise PhotoUnreadable("a moving picture is no photo")
    return picture


def orientation(picture: Image.Image) -> int:
    """Return the EXIF orientation; broken EXIF is common and says nothing about the picture."""
    with suppress(Exception):
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    return 1


def _decode_small(picture: Image.Image, turned: int) -> Image.Image:
    """Decode every byte of it, as small and grey as the judgements need, upright."""
    try:
        picture.draft("L", (_GLANCE, _GLANCE))
        picture.load()
        glance = flattened(picture)
    except Exception as error:  # as above: the process is the limit, not a list of exceptions
        raise PhotoUnreadable(f"the picture is broken: {error}") from error
    glance.thumbnail((_GLANCE, _GLANCE), Image.Resampling.BOX)
    return glance.transpose(_UPRIGHT[turned]) if turned in _UPRIGHT else glance


def flattened(picture: Image.Image) -> Image.Image:
    """Return the picture in grey, what is transparent on white."""
    if "A" not in picture.getbands() and "transparency" not in picture.info:
        return picture.convert("L")
    seen = picture.convert("RGBA")
    paper = Image.new("RGBA", seen.size, "white")
    return Image.alpha_composite(paper, seen).convert("L")


def dhash(grey: Image.Image) -> str:
    """Return the 64-bit difference hash: is each of 8 x 8 cells darker than its right neighbour?"""
    cells = grey.resize((9, 8), Image.Resampling.BOX).tobytes()
    bits = 0
    for row in range(8):
        for column in range(8):
            at = row * 9 + column
            bits = bits << 1 | (cells[at] < cells[at + 1])
    return f"{bits:016x}"


def _sharpness(grey: Image.Image) -> float:
    """Return the variance of the Laplacian; its unfiltered one-pixel border is cut off."""
    if min(grey.size) < 3:
        return 0.0
    edges = grey.filter(_LAPLACIAN).crop((1, 1, grey.width - 1, grey.height - 1))
    return float(ImageStat.Stat(edges).var[0])


def _remarks(grey: Image.Image, sharpness: float, *, trailing: int) -> tuple[str, ...]:
    histogram = grey.histogram()
    most = _MOSTLY * grey.width * grey.height
    found = {
        "blurred": sharpness < _BLURRED_BELOW,
        "dark": sum(histogram[:_DARK]) > most,
        "overexposed": sum(histogram[_BRIGHT:]) > most,
        "trailing_data": trailing > 0,
    }
    return tuple(remark for remark, is_so in found.items() if is_so)


def _trailing_bytes(data: bytes, format_: str | None) -> int:
    """Return how many bytes follow the picture.

    Raises:
        PhotoUnreadable: the picture's own end is missing.
    """
    end: int | None = len(data)
    if format_ == "JPEG":
        end = end_of_jpeg(data)
    elif format_ == "PNG":
        last = data.rfind(b"IEND\xaeB`\x82")
        end = last + 8 if last > 0 else None
    elif format_ == "WEBP":
        end = int.from_bytes(data[4:8], "little") + 8
    if end is None or end > len(data):
        raise PhotoUnreadable("the picture is cut off")
    return len(data) - end


def _claims(picture: Image.Image) -> tuple[str | None, tuple[float, float] | None]:
    """Return the time and place the camera claims; broken EXIF claims nothing."""
    taken_at, place = None, None
    with suppress(Exception):
        exif = picture.getexif()
        inner = exif.get_ifd(ExifTags.IFD.Exif)
        stated = inner.get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime)
        if isinstance(stated, str):
            taken_at = stated.replace("\x00", "").strip()[:40] or None
        place = _place(exif.get_ifd(ExifTags.IFD.GPSInfo))
    return taken_at, place


def _place(gps: dict[int, object]) -> tuple[float, float] | None:
    lat = _degrees(gps.get(ExifTags.GPS.GPSLatitude), gps.get(ExifTags.GPS.GPSLatitudeRef), "S")
    lon = _degrees(gps.get(ExifTags.GPS.GPSLongitude), gps.get(ExifTags.GPS.GPSLongitudeRef), "W")
    if lat is None or lon is None or not (-90 <= lat <= 90 and -180 <= lon <= 180):
        return None
    return round(lat, 6), round(lon, 6)


def _degrees(parts: object, half: object, negative: str) -> float | None:
    if not isinstance(parts, tuple) or len(parts) != 3:
        return None
    degrees, minutes, seconds = (float(part) for part in parts)
    value = degrees + minutes / 60 + seconds / 3600
    return -value if half == negative else value
