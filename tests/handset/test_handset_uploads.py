"""Evidence on its way up, against the real server: resumed, repeated, corrected, set aside."""

import pytest

from handset import Handset, Photo, Unreachable
from handset.uploads import Uploads
from tests.handset.conftest import Bench
from tests.handset.pictures import png

pytestmark = pytest.mark.anyio

STOP = "0192f0c1-7d2a-7c3e-9b1a-3f5e6d7c8b9a"


def _in_pieces(phone: Handset, size: int) -> None:
    phone.uploads = Uploads(phone.shelf, phone.session, chunk=size)


async def _with_photo(bench: Bench, data: bytes) -> tuple[Handset, Photo]:
    phone = await bench.enrolled()
    photo = Photo(data, "image/png")
    phone.deliver(STOP, photos=[photo])
    return phone, photo


async def test_a_small_file_goes_in_one_request(bench: Bench) -> None:
    """Creation carries the bytes; the status confirms them."""
    phone, photo = await _with_photo(bench, png(1))
    report = await phone.upload()
    assert report.verified == [photo.sha256]
    assert bench.line.paths()[-2:] == [
        "POST /driver/v1/evidence",
        f"GET /driver/v1/evidence/{photo.sha256}/status",
    ]
    assert phone.unsent_photos == 0


async def test_a_large_file_goes_in_pieces(bench: Bench) -> None:
    """Announced first, then piece by piece."""
    phone, photo = await _with_photo(bench, png(2))
    _in_pieces(phone, 10_000)
    report = await phone.upload()
    assert report.verified == [photo.sha256]
    assert report.bytes_sent == len(photo.data)


async def test_a_broken_upload_resumes_where_it_stood(bench: Bench) -> None:
    """After a loss the phone asks for the offset and never sends a byte twice."""
    phone, photo = await _with_photo(bench, png(3))
    _in_pieces(phone, 10_000)
    bench.line.losses.extend([None, None, "request"])
    with pytest.raises(Unreachable):
        await phone.upload()
    report = await phone.upload()
    assert report.verified == [photo.sha256]
    assert report.bytes_sent < len(photo.data)


async def test_a_lost_reply_does_not_confuse_the_offset(bench: Bench) -> None:
    """The server had taken the piece: its 409 sends the phone to ask, not to despair."""
    phone, photo = await _with_photo(bench, png(4))
    _in_pieces(phone, 10_000)
    phone_again = bench.phone(attempts=3)
    _in_pieces(phone_again, 10_000)
    bench.line.losses.extend([None, None, "reply"])
    assert (await phone_again.upload()).verified == [photo.sha256]


async def test_what_never_was_a_picture_is_set_aside(bench: Bench) -> None:
    """A refusal is final for that file; the others still go up."""
    phone, broken = await _with_photo(bench, b"this is no picture, whatever it says")
    good = Photo(png(5), "image/png")
    phone.deliver(STOP, photos=[good])
    report = await phone.upload()
    assert (report.refused, report.verified) == ([broken.sha256], [good.sha256])
    assert list(phone.shelf.refused()) == [broken.sha256]
    assert phone.shelf.path(broken.sha256).exists()


async def test_a_file_changed_on_the_disk_is_not_taken_for_the_right_one(bench: Bench) -> None:
    """The server answers 460; the phone tries again and then leaves it for another day."""
    phone, photo = await _with_photo(bench, png(6))
    damaged = bytearray(photo.data)
    damaged[100] ^= 1
    phone.shelf.path(photo.sha256).write_bytes(bytes(damaged))
    report = await phone.upload()
    assert (report.verified, report.refused) == ([], [])
    assert phone.unsent_photos == 1
    phone.shelf.path(photo.sha256).write_bytes(photo.data)
    assert (await phone.upload()).verified == [photo.sha256]


async def test_a_second_phone_of_the_driver_need_not_send_again(bench: Bench) -> None:
    """What the driver's own bytes verified before answers with the full offset."""
    phone, photo = await _with_photo(bench, png(7))
    await phone.upload()
    other = bench.phone("other")
    await other.enrol(await bench.code_for(phone))
    other.deliver(STOP, photos=[photo])
    _in_pieces(other, 10_000)
    report = await other.upload()
    assert (report.verified, report.bytes_sent) == ([photo.sha256], 0)
