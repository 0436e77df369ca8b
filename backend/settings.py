"""Settings: one frozen value, read once by a door. Nothing is read at import."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class S3Settings:
    """Where evidence goes when it does not go into a folder."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str
    region: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything an installation can choose.

    ``database_url`` is None when the embedded PostgreSQL in ``data`` is meant. ``api_workers`` are
    processes that share the API's port, each with connections of its own.
    """

    data: Path
    database_url: str | None
    base_url: str
    log_name: str
    s3: S3Settings | None
    cookie_secure: bool
    nightly_hour: int
    trust_proxy: bool
    api_workers: int = 1


_MOST_WORKERS = 16


class SettingsIncomplete(ValueError):
    """The environment lacks something; the message names every missing or wrong variable."""


def load(environ: Mapping[str, str]) -> Settings:
    """Read the settings from DOORSTEP_* variables.

    Raises:
        SettingsIncomplete: with all faults at once.
    """
    base_url = environ.get("DOORSTEP_BASE_URL", "http://127.0.0.1:8080").rstrip("/")
    return Settings(
        data=Path(environ.get("DOORSTEP_DATA", ".doorstep")).absolute(),
        database_url=environ.get("DOORSTEP_DATABASE_URL") or None,
        base_url=base_url,
        log_name=environ.get("DOORSTEP_LOG_NAME", "doorstep/log"),
        s3=_s3(environ),
        cookie_secure=base_url.startswith("https://"),
        nightly_hour=_hour(environ.get("DOORSTEP_NIGHTLY_HOUR", "2")),
        trust_proxy=environ.get("DOORSTEP_TRUST_PROXY", "0") == "1",
        api_workers=_workers(environ.get("DOORSTEP_API_WORKERS", "1")),
    )


def _hour(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 23):
        raise SettingsIncomplete(f"DOORSTEP_NIGHTLY_HOUR is {text!r}, not an hour from 0 to 23")
    return int(text)


def _workers(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _MOST_WORKERS):
        raise SettingsIncomplete(
            f"DOORSTEP_API_WORKERS is {text!r}, not a number from 1 to {_MOST_WORKERS}"
        )
    return int(text)


_S3_NAMES = (
    "DOORSTEP_S3_ENDPOINT",
    "DOORSTEP_S3_BUCKET",
    "DOORSTEP_S3_ACCESS_KEY",
    "DOORSTEP_S3_SECRET_KEY",
)


def _s3(environ: Mapping[str, str]) -> S3Settings | None:
    given = [name for name in _S3_NAMES if environ.get(name)]
    if not given:
        return None
    missing = [name for name in _S3_NAMES if name not in given]
    if missing:
        raise SettingsIncomplete(f"to keep evidence in S3, set also {', '.join(missing)}")
    endpoint, bucket, access_key, secret_key = (environ[name] for name in _S3_NAMES)
    region = environ.get("DOORSTEP_S3_REGION", "us-east-1")
    return S3Settings(endpoint, bucket, access_key, secret_key, region)
