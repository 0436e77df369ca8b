"""What is no upload, or no evidence, is refused by name, and nothing of it stays."""

import io

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from PIL import Image

from tests.driver_api.pictures import STROKES, a_picture
from tests.driver_api.tus_line import PATCH, PATH, Line, metadata, sha_of

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("kind", "media_type", "content"),
    [
        ("photo", "image/jpeg", a_picture()[:-400]),
        ("photo", "image/jpeg", b"no picture at all"),
        ("photo", "image/png", b"GIF89a" + bytes(40)),
        ("photo", "image/jpeg", STROKES),
        ("signature", "application/json", b'{"strokes": "no"}'),
        ("signature", "application/json", b"[" * 3000),
        ("photo", "image/jpeg", b""),
    ],
)
async def test_what_cannot_be_read_is_no_evidence(
    line: Line, kind: str, media_type: str, content: bytes
) -> None:
    """Truncated or undecodable files are 415 with the last byte, and corrupt from then on."""
    sent = PATCH | {
        "Upload-Length": str(len(content)),
        "Upload-Metadata": metadata(sha_of(content), kind, media_type),
    }
    answer = await line.call("POST", "", content, **sent)
    assert answer.status_code == 415, answer.text
    assert (await line.status(sha_of(content)))["state"] == "corrupt"


async def test_too_many_pixels_are_too_large(line: Line) -> None:
    """A small file that unfolds to over 24 megapixels is 413."""
    out = io.BytesIO()
    Image.new("L", (6000, 4100)).save(out, "PNG")
    content = out.getvalue()
    await line.create(content, media_type="image/png")
    answer = await line.send(sha_of(content), 0, content)
    assert answer.status_code == 413
    assert (await line.status(sha_of(content)))["state"] == "corrupt"


@pytest.mark.parametrize(
    ("kind", "media_type", "length", "status"),
    [
        ("photo", "image/jpeg", 8 * 1024 * 1024 + 1, 413),
        ("signature", "image/png", 512 * 1024 + 1, 413),
        ("photo", "image/gif", 9, 415),
        ("photo", "application/json", 9, 415),
        ("signature", "image/jpeg", 9, 415),
        ("photo", "", 9, 415),
        ("video", "image/jpeg", 9, 400),
        ("", "image/jpeg", 9, 400),
    ],
)
async def test_creation_refuses_what_can_never_be(
    line: Line, kind: str, media_type: str, length: int, status: int
) -> None:
    """Declared sizes and types are judged before a byte is sent."""
    answer = await line.create(b"x", kind, media_type, length)
    assert answer.status_code == status
    assert (await line.call("HEAD", f"/{sha_of(b'x')}")).status_code == 404


async def test_malformed_headers_are_refused(line: Line) -> None:
    """Headers that cannot be read are 400, never more."""
    said = metadata(sha_of(b"x"))
    for headers in (
        {},
        {"Upload-Length": "9"},
        {"Upload-Metadata": said},
        {"Upload-Length": "-1", "Upload-Metadata": said},
        {"Upload-Length": "9" * 40, "Upload-Metadata": said},
        {"Upload-Length": "9", "Upload-Metadata": "sha256 !!!"},
        {"Upload-Length": "9", "Upload-Metadata": "sha256 /w=="},
        {"Upload-Length": "9", "Upload-Metadata": f"{said},{said}"},
        {"Upload-Length": "9", "Upload-Metadata": metadata("../../etc/passwd")},
        {"Upload-Defer-Length": "1", "Upload-Metadata": said},
    ):
        answer = await line.call("POST", "", None, **headers)
        assert answer.status_code == 400, headers
        assert answer.headers["content-type"] == "application/problem+json"
    content = a_picture()
    await line.create(content)
    for headers in (
        {},
        {"Upload-Offset": "x"},
        {"Upload-Offset": "0", "Upload-Checksum": "crc32 AAAA"},
        {"Upload-Offset": "0", "Upload-Checksum": "sha1 AAAA"},
        {"Upload-Offset": "0", "Upload-Checksum": "sha1"},
    ):
        answer = await line.call("PATCH", f"/{sha_of(content)}", b"x", **PATCH | headers)
        assert answer.status_code == 400, headers


async def test_only_tus_1_0_0(line: Line) -> None:
    """Another version is 412 and names ours; none at all is let pass."""
    content = a_picture()
    await line.create(content)
    for method, path in (("HEAD", ""), ("PATCH", ""), ("DELETE", "")):
        answer = await line.call(method, f"/{sha_of(content)}{path}", Tus_Resumable="0.2.2")
        assert (answer.status_code, answer.headers["tus-version"]) == (412, "1.0.0")
    sent = {"Content-Type": PATCH["Content-Type"], "Upload-Offset": "0"}
    bare = await line.call("PATCH", f"/{sha_of(content)}", content, **sent)
    assert bare.status_code == 204


async def test_only_raw_bytes_are_appended(line: Line) -> None:
    """Another content type or an encoding is 415."""
    content = a_picture()
    await line.create(content)
    for headers in ({"Content-Type": "image/jpeg"}, {"Content-Encoding": "gzip"}):
        answer = await line.send(sha_of(content), 0, content, **headers)
        assert answer.status_code == 415


async def test_more_bytes_than_announced_are_refused(line: Line) -> None:
    """What overruns the announced length is taken back."""
    content = a_picture()
    await line.create(content)
    await line.send(sha_of(content), 0, content[:50])
    answer = await line.send(sha_of(content), 50, content[50:] + b"!")
    assert (answer.status_code, answer.json()["code"]) == (413, "evidence_too_large")
    assert (await line.status(sha_of(content)))["offset"] == 50


async def test_nobody_uploads_without_a_token(client: AsyncTestClient[Litestar]) -> None:
    """Everything but OPTIONS needs a bearer token."""
    for method, path in (
        ("POST", ""),
        ("HEAD", "/x"),
        ("PATCH", "/x"),
        ("DELETE", "/x"),
        ("GET", "/x/status"),
        ("POST", "/x"),
    ):
        assert (await client.request(method, PATH + path)).status_code == 401
