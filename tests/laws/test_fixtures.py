"""The ground the tests stand on holds."""

import socket
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from backend.settings import S3Settings
from backend.store.database import Database
from tests.fixtures.clock import FakeClock
from tests.fixtures.network import StrangerCalled

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

pytestmark = pytest.mark.anyio


async def test_the_database_answers(db: Database) -> None:
    """A test that asks for `db` talks to a real PostgreSQL of at least version 16."""
    async with db.snapshot() as tx:
        version = await tx.scalar(text("SHOW server_version_num"))
    assert int(version) >= 160_000


async def test_the_clock_stands_still(clock: FakeClock) -> None:
    """Time passes only when a test says so."""
    before = clock.now()
    assert clock.now() == before
    assert (clock.advance(minutes=5) - before).total_seconds() == 300


def test_strangers_are_refused() -> None:
    """A connection that would leave this machine fails before a packet is sent."""
    with socket.socket() as line, pytest.raises(StrangerCalled):
        line.connect(("192.0.2.1", 80))
    with pytest.raises(StrangerCalled):
        socket.getaddrinfo("example.org", 80)


def test_s3_wants_the_right_secret(s3: S3Settings) -> None:
    """The S3 server checks signatures, so tests against it prove that ours are right."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import ClientError

    def client(secret: str) -> "S3Client":
        return boto3.client(
            "s3",
            endpoint_url=s3.endpoint,
            aws_access_key_id=s3.access_key,
            aws_secret_access_key=secret,
            region_name=s3.region,
            config=Config(
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    client(s3.secret_key).put_object(Bucket=s3.bucket, Key="a", Body=b"b")
    with pytest.raises(ClientError):
        client("wrong").put_object(Bucket=s3.bucket, Key="a", Body=b"b")
