"""Evidence in an S3 bucket, with settings that every S3-like server understands.

Content-MD5 is what servers check; their ``x-amz-checksum-*`` echoes prove nothing, so the file is
hashed here before it goes. Keys are content addresses, which makes overwriting harmless where
``If-None-Match`` is ignored.
"""

import base64
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import boto3
from botocore.client import Config
from botocore.exceptions import BotoCoreError, ClientError

from backend.blobs.address import (
    CHUNK,
    BlobMissing,
    BlobsUnavailable,
    WrongBytesError,
    digest_of,
    is_sha256,
    key_of,
    storage_faults,
)
from backend.settings import S3Settings

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from types_boto3_s3 import S3Client

_ABSENT = {"404", "NoSuchKey", "NotFound", "NoSuchBucket"}


class S3Blobs:
    """Objects in one bucket, through one thread-safe client shared by the process."""

    def __init__(self, settings: S3Settings, threads: int = 16) -> None:
        self._bucket = settings.bucket
        self._client = connect(settings, threads)
        self._threads = anyio.CapacityLimiter(threads)

    async def prepare(self) -> None:
        """Make the bucket if it is missing."""
        await anyio.to_thread.run_sync(self._prepare, limiter=self._threads)

    async def put_file(self, sha256: str, path: Path, media_type: str, /) -> None:
        """Send a file, unless the bucket has it already."""
        put = partial(self._put, sha256, path, media_type)
        await anyio.to_thread.run_sync(put, limiter=self._threads)

    async def read(self, sha256: str) -> AsyncIterator[bytes]:
        """Stream the bytes; memory holds one piece."""
        body = await anyio.to_thread.run_sync(self._get, sha256, limiter=self._threads)
        try:
            while piece := await anyio.to_thread.run_sync(_piece, body, limiter=self._threads):
                yield piece
        finally:
            body.close()

    async def size(self, sha256: str) -> int | None:
        """Return the length, or None."""
        return await anyio.to_thread.run_sync(self._size, sha256, limiter=self._threads)

    async def older(self, than: datetime) -> AsyncIterator[str]:
        """List the bucket, a page at a time."""
        after = ""
        while True:
            page = partial(self._page, after)
            objects = await anyio.to_thread.run_sync(page, limiter=self._threads)
            for key, modified in objects:
                name = key.rpartition("/")[2]
                if modified < than and is_sha256(name):
                    yield name
            if not objects:
                return
            after = objects[-1][0]

    async def delete(self, sha256: str) -> None:
        """Delete the object."""
        await anyio.to_thread.run_sync(self._delete, sha256, limiter=self._threads)

    def _prepare(self) -> None:
        with _s3_faults():
            try:
                self._client.head_bucket(Bucket=self._bucket)
            except ClientError as error:
                if _code(error) not in _ABSENT:
                    raise
                self._client.create_bucket(Bucket=self._bucket)

    def _put(self, sha256: str, path: Path, media_type: str) -> None:
        key = key_of(sha256)
        with storage_faults():
            length = path.stat().st_size
            if digest_of(path) != sha256:
                raise WrongBytesError(sha256)
            md5 = _md5(path)
        if self._size(sha256) == length:
            return
        with _s3_faults(), storage_faults(), path.open("rb") as file:
            self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=file,
                ContentLength=length,
                ContentMD5=md5,
                ContentType=media_type,
            )

    def _get(self, sha256: str) -> "StreamingBody":
        with _s3_faults():
            return self._client.get_object(Bucket=self._bucket, Key=key_of(sha256))["Body"]

    def _size(self, sha256: str) -> int | None:
        try:
            with _s3_faults():
                answer = self._client.head_object(Bucket=self._bucket, Key=key_of(sha256))
        except BlobMissing:
            return None
        return answer["ContentLength"]

    def _page(self, after: str) -> list[tuple[str, datetime]]:
        with _s3_faults():
            listed = self._client.list_objects_v2(
                Bucket=self._bucket, Prefix="sha256/", StartAfter=after
            )
        return [(each["Key"], each["LastModified"]) for each in listed.get("Contents", [])]

    def _delete(self, sha256: str) -> None:
        with _s3_faults():
            self._client.delete_object(Bucket=self._bucket, Key=key_of(sha256))


def connect(settings: S3Settings, threads: int) -> "S3Client":
    """Make a client that works on AWS, versitygw, Garage, Ceph and rclone alike."""
    return boto3.client(
        "s3",
        endpoint_url=settings.endpoint,
        region_name=settings.region,
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=settings.secret_key,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"max_attempts": 3, "mode": "standard"},
            connect_timeout=3,
            read_timeout=20,
            max_pool_connections=threads,
        ),
    )


@contextmanager
def _s3_faults() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if _code(error) in _ABSENT:
            raise BlobMissing from error
        raise BlobsUnavailable(f"the object store refused: {_code(error)}") from error
    except BotoCoreError as error:
        raise BlobsUnavailable(f"the object store failed: {type(error).__name__}") from error


def _piece(body: "StreamingBody") -> bytes:
    with _s3_faults():
        return body.read(CHUNK)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    return base64.b64encode(digest.digest()).decode()
