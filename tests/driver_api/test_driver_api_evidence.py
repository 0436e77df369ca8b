"""Evidence over tus: every promise of the contract's third section, over HTTP."""

import hashlib
import json
from base64 import b64encode
from dataclasses import replace

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from sqlalchemy import select
from sqlmodel import col

from backend.blobs import FolderBlobs, open_blobs, read_bytes
from backend.settings import S3Settings, Settings
from backend.store.database import Database
from backend.tables.audit import AuditEntry
from tests.driver_api.pictures import STROKES, a_picture
from tests.driver_api.tus_line import PATCH, PATH, Line, metadata, sha_of
from tests.fixtures.clock import FakeClock
from tests.fixtures.phones import a_phone, calling

pytestmark = pytest.mark.anyio


async def test_a_picture_in_two_pieces(line: Line, settings: Settings, db: Database) -> None:
    """Announce, send a piece, ask, send the rest: verified, stored as sent, in the log."""
    content = a_picture()
    sha = sha_of(content)
    created = await line.create(content)
    assert (created.status_code, created.headers["location"]) == (201, f"{PATH}/{sha}")
    assert created.headers["upload-offset"] == "0"
    assert await line.status(sha) == {"state": "announced", "offset": 0, "size": len(content)}
    first = await line.send(sha, 0, content[:1000])
    assert (first.status_code, first.headers["upload-offset"]) == (204, "1000")
    assert await line.status(sha) == {"state": "partial", "offset": 1000, "size": len(content)}
    stands = await line.call("HEAD", f"/{sha}")
    assert stands.status_code == 200
    assert stands.headers["upload-offset"] == "1000"
    assert stands.headers["upload-length"] == str(len(content))
    assert stands.headers["upload-metadata"] == metadata(sha)
    assert stands.headers["cache-control"] == "no-store"
    last = await line.send(sha, 1000, content[1000:])
    assert (last.status_code, last.headers["upload-offset"]) == (204, str(len(content)))
    whole = {"state": "verified", "offset": len(content), "size": len(content)}
    assert await line.status(sha) == whole
    assert await read_bytes(FolderBlobs(settings.data / "blobs"), sha) == content
    async with db.snapshot() as tx:
        query = select(AuditEntry).where(col(AuditEntry.action) == "evidence.verified")
        leaves = [json.loads(entry.leaf) for entry in await tx.scalars(query)]
    (leaf,) = [leaf for leaf in leaves if leaf["evidence"] == [sha]]
    told = ["media_type", "sha256", "size", "stop_id", "verified_at"]
    assert sorted(set(leaf["change"]) | {"stop_id"}) == told
    assert leaf["actor"]["device"] == str(line.phone.id)


@pytest.mark.parametrize(
    ("kind", "media_type", "content"),
    [
        ("photo", "image/jpeg", a_picture("JPEG")),
        ("photo", "image/png", a_picture("PNG")),
        ("photo", "image/webp", a_picture("WEBP")),
        ("signature", "image/png", a_picture("PNG")),
        ("signature", "application/json", STROKES),
        ("id_check", "image/jpeg", a_picture("JPEG")),
    ],
)
async def test_every_type_is_taken(line: Line, kind: str, media_type: str, content: bytes) -> None:
    """Every kind and type of the contract can be verified."""
    await line.create(content, kind, media_type)
    assert (await line.send(sha_of(content), 0, content)).status_code == 204
    assert (await line.status(sha_of(content)))["state"] == "verified"


async def test_options_tell_what_is_spoken(client: AsyncTestClient[Litestar]) -> None:
    """OPTIONS needs no token and names methods, version, extensions, limit and algorithms."""
    file = f"{PATH}/{sha_of(b'')}"
    methods = {
        PATH: {"POST", "OPTIONS"},
        file: {"HEAD", "PATCH", "DELETE", "POST", "OPTIONS"},
        f"{file}/status": {"GET", "OPTIONS"},
    }
    for path, allowed in methods.items():
        answer = await client.options(path)
        assert answer.status_code == 204
        assert set(answer.headers["allow"].split(", ")) == allowed
        assert answer.headers["tus-version"] == "1.0.0"
        told = answer.headers["tus-extension"]
        assert told == "creation,creation-with-upload,checksum,termination"
        assert answer.headers["tus-max-size"] == str(8 * 1024 * 1024)
        assert answer.headers["tus-checksum-algorithm"] == "sha256,sha1,md5"
        assert answer.headers["tus-resumable"] == "1.0.0"


async def test_creation_may_carry_bytes(line: Line) -> None:
    """creation-with-upload: all at once verifies, a part leaves the offset after it."""
    content = a_picture()
    sent = PATCH | {
        "Upload-Length": str(len(content)),
        "Upload-Metadata": metadata(sha_of(content)),
    }
    part = await line.call("POST", "", content[:10], **sent)
    assert (part.status_code, part.headers["upload-offset"]) == (201, "10")
    whole = await line.call("POST", "", content, **sent)
    assert (whole.status_code, whole.headers["upload-offset"]) == (201, str(len(content)))
    assert (await line.status(sha_of(content)))["state"] == "verified"


async def test_what_is_verified_needs_no_sending(
    line: Line, db: Database, settings: Settings
) -> None:
    """Announcing verified bytes again tells that all are there, on any phone of the driver."""
    content = a_picture()
    sha = sha_of(content)
    await line.create(content)
    await line.send(sha, 0, content)
    other = Line(line.client, await a_phone(db, settings, line.phone.driver_id))
    for same_driver in (line, other):
        again = await same_driver.create(content)
        assert (again.status_code, again.headers["upload-offset"]) == (201, str(len(content)))
        assert (await same_driver.status(sha))["state"] == "verified"
        repeat = await same_driver.send(sha, len(content), b"")
        assert repeat.status_code == 204
        assert (await same_driver.send(sha, 0, content)).status_code == 409
    gone = await line.call("DELETE", f"/{sha}")
    assert (gone.status_code, gone.json()["code"]) == (409, "evidence_immutable")


async def test_another_driver_sees_nothing(line: Line, db: Database, settings: Settings) -> None:
    """Neither partial nor verified bytes of one driver exist for another, until he sends them."""
    content = a_picture()
    sha = sha_of(content)
    stranger = Line(line.client, await a_phone(db, settings))
    await line.create(content)
    await line.send(sha, 0, content)
    for method, path in (("HEAD", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/status")):
        answer = await stranger.call(
            method, f"/{sha}{path}", None, **PATCH, Upload_Offset=str(len(content))
        )
        assert answer.status_code == 404
        assert method == "HEAD" or answer.json()["code"] == "evidence_not_found"
    assert (await stranger.create(content)).headers["upload-offset"] == "0"
    assert (await stranger.send(sha, 0, content)).status_code == 204
    assert (await stranger.status(sha))["state"] == "verified"


async def test_offsets_are_per_device(line: Line, db: Database, settings: Settings) -> None:
    """A second phone of the same driver starts its own upload at 0."""
    content = a_picture()
    await line.create(content)
    await line.send(sha_of(content), 0, content[:500])
    other = Line(line.client, await a_phone(db, settings, line.phone.driver_id))
    assert (await other.call("HEAD", f"/{sha_of(content)}")).status_code == 404
    assert (await other.create(content)).headers["upload-offset"] == "0"
    assert (await line.create(content)).headers["upload-offset"] == "500"


async def test_a_wrong_offset_names_the_right_one(line: Line) -> None:
    """409 tells where the upload stands, and nothing is written."""
    content = a_picture()
    await line.create(content)
    await line.send(sha_of(content), 0, content[:100])
    for offset in (0, 99, 101, 10**14):
        answer = await line.send(sha_of(content), offset, b"x")
        assert answer.status_code in (409, 413)
        if answer.status_code == 409:
            assert answer.headers["upload-offset"] == "100"
            assert answer.json()["code"] == "offset_mismatch"
    assert (await line.status(sha_of(content)))["offset"] == 100


async def test_bytes_that_do_not_hash_right_go_back_to_zero(line: Line) -> None:
    """The last byte decides: 460, offset 0, state corrupt; the right bytes still get in."""
    content = a_picture()
    sha = sha_of(content)
    await line.create(content)
    wrong = await line.send(sha, 0, content[:-1] + bytes([content[-1] ^ 1]))
    assert (wrong.status_code, wrong.json()["code"]) == (460, "checksum_mismatch")
    assert wrong.headers["tus-resumable"] == "1.0.0"
    assert await line.status(sha) == {"state": "corrupt", "offset": 0, "size": len(content)}
    assert (await line.send(sha, 0, content)).status_code == 204
    assert (await line.status(sha))["state"] == "verified"


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5"])
async def test_a_piece_may_carry_its_checksum(line: Line, algorithm: str) -> None:
    """A piece with a wrong checksum is taken back, a right one stays."""
    content = a_picture()
    sha = sha_of(content)
    await line.create(content)
    await line.send(sha, 0, content[:10])
    digest = b64encode(hashlib.new(algorithm, content[10:60]).digest()).decode()
    wrong = await line.send(sha, 10, content[11:61], Upload_Checksum=f"{algorithm} {digest}")
    assert wrong.status_code == 460
    assert (await line.status(sha))["offset"] == 10
    right = await line.send(sha, 10, content[10:60], Upload_Checksum=f"{algorithm} {digest}")
    assert (right.status_code, right.headers["upload-offset"]) == (204, "60")


async def test_an_upload_can_be_withdrawn(line: Line) -> None:
    """Termination forgets an unfinished upload; announcing it again starts at 0."""
    content = a_picture()
    await line.create(content)
    await line.send(sha_of(content), 0, content[:50])
    assert (await line.call("DELETE", f"/{sha_of(content)}")).status_code == 204
    assert (await line.call("HEAD", f"/{sha_of(content)}")).status_code == 404
    assert (await line.call("DELETE", f"/{sha_of(content)}")).status_code == 404
    assert (await line.create(content)).headers["upload-offset"] == "0"


async def test_another_length_starts_over(line: Line) -> None:
    """A second announcement with another size replaces the first."""
    content = a_picture()
    await line.create(content, length=len(content) + 5)
    await line.send(sha_of(content), 0, content[:50])
    assert (await line.create(content)).headers["upload-offset"] == "0"
    assert (await line.send(sha_of(content), 0, content)).status_code == 204


async def test_a_crash_after_the_last_byte_is_mended(line: Line, settings: Settings) -> None:
    """All bytes there but not yet verified (a killed server): the next question completes it."""
    content = a_picture()
    sha = sha_of(content)
    await line.create(content)
    await line.send(sha, 0, content[:-1])
    staged = settings.data / "staging" / str(line.phone.id) / f"{sha}.part"
    staged.write_bytes(content)
    assert (await line.call("HEAD", f"/{sha}")).headers["upload-offset"] == str(len(content))
    assert (await line.status(sha))["state"] == "verified"


async def test_post_may_stand_for_patch(line: Line) -> None:
    """X-HTTP-Method-Override serves networks that know no PATCH; a bare POST there is 405."""
    content = a_picture()
    await line.create(content)
    sent = PATCH | {"Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    answer = await line.call("POST", f"/{sha_of(content)}", content, **sent)
    assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(len(content)))
    bare = await line.call("POST", f"/{sha_of(content)}", content)
    assert bare.status_code == 405


async def test_evidence_may_live_in_a_bucket(
    db: Database, settings: Settings, s3: S3Settings, clock: FakeClock
) -> None:
    """With an S3 server in the settings the verified bytes are kept there."""
    content, phone = a_picture(), await a_phone(db, settings)
    bucket = replace(settings, s3=replace(s3, bucket="kept"))
    async with calling(bucket, clock) as client:
        line = Line(client, phone)
        await line.create(content)
        assert (await line.send(sha_of(content), 0, content)).status_code == 204
    assert await read_bytes(open_blobs(bucket), sha_of(content)) == content


async def test_an_object_store_that_is_away_loses_nothing(line: Line, settings: Settings) -> None:
    """While the store takes nothing the phone is told to come again, and its bytes wait."""
    content = a_picture()
    sha = sha_of(content)
    await line.create(content)
    in_the_way = settings.data / "blobs" / "sha256" / sha[:2]
    in_the_way.parent.mkdir(parents=True, exist_ok=True)
    if in_the_way.is_dir():
        in_the_way.rename(in_the_way.with_suffix(".aside"))
    in_the_way.write_bytes(b"a file where a folder belongs")
    away = await line.send(sha, 0, content)
    assert (away.status_code, away.json()["code"]) == (503, "storage_unavailable")
    assert "retry-after" in away.headers
    in_the_way.unlink()
    stands = await line.call("HEAD", f"/{sha}")
    assert stands.headers["upload-offset"] == str(len(content))
    assert (await line.status(sha))["state"] == "verified"
