"""Enrolment and tokens (contract §1)."""

import binascii
import re
from base64 import urlsafe_b64decode
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, Request, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from msgspec import Meta

from backend.clock import rfc3339
from backend.errors import InputError
from backend.identity import devices
from backend.identity.callers import address_of
from backend.keys import Keys
from backend.settings import Settings
from backend.store.database import Database
from backend.wire.json import InputInvalid, read_json

_TEXT = r"^[^\x00]*$"
Word = Annotated[str, Meta(max_length=200, pattern=_TEXT)]


class DeviceIn(msgspec.Struct, frozen=True):
    """What a device says of itself."""

    platform: Word
    model: Word
    app_version: Word
    public_key: Annotated[str, Meta(max_length=64)] | None = None


class EnrolIn(msgspec.Struct, frozen=True):
    """A one-time code and the device that has it."""

    code: Annotated[str, Meta(min_length=1, max_length=64, pattern=_TEXT)]
    device: DeviceIn


class RefreshIn(msgspec.Struct, frozen=True):
    """A refresh token and a nonce that the phone kept before calling."""

    refresh_token: Annotated[str, Meta(min_length=1, max_length=200, pattern=_TEXT)]
    nonce: Annotated[str, Meta(min_length=1, max_length=200, pattern=_TEXT)]


class CredentialsOut(msgspec.Struct, frozen=True):
    """What a device calls with from now on."""

    device_id: UUID
    driver_id: UUID
    access_token: str
    access_expires_at: str
    refresh_token: str
    server_time: str
    epoch: UUID


class DeviceController(Controller):
    """The only calls that need no bearer token."""

    @post("/devices", opt={"public": True, "body": EnrolIn}, operation_id="enrolDevice")
    async def enrol(
        self,
        request: Request[None, None, State],
        db: NamedDependency[Database],
        keys: NamedDependency[Keys],
        settings: NamedDependency[Settings],
    ) -> CredentialsOut:
        """Turn a one-time enrolment code into a device with tokens."""
        asked = await read_json(request, EnrolIn)
        described = devices.Description(
            asked.device.platform,
            asked.device.model,
            asked.device.app_version,
            _public_key(asked.device.public_key),
        )
        address = address_of(request, settings)
        return _out(await devices.enrol(db, keys, asked.code, described, address))

    @post(
        "/tokens",
        opt={"public": True, "body": RefreshIn},
        status_code=200,
        operation_id="refreshTokens",
    )
    async def refresh(
        self,
        request: Request[None, None, State],
        db: NamedDependency[Database],
        keys: NamedDependency[Keys],
    ) -> CredentialsOut:
        """Exchange a refresh token; the same call again returns the same successor."""
        asked = await read_json(request, RefreshIn)
        return _out(await devices.refresh(db, keys, asked.refresh_token, asked.nonce))


def _out(given: devices.Credentials) -> CredentialsOut:
    return CredentialsOut(
        device_id=given.device_id,
        driver_id=given.driver_id,
        access_token=given.access.token,
        access_expires_at=rfc3339(given.access.expires_at),
        refresh_token=given.refresh_token,
        server_time=rfc3339(given.server_time),
        epoch=given.epoch,
    )


def _public_key(text: str | None) -> bytes | None:
    """Read an Ed25519 public key: base64url of 32 bytes, with or without padding."""
    if text is None:
        return None
    try:
        if re.fullmatch(r"[A-Za-z0-9_-]{43}=?", text) is None:
            raise ValueError(text)
        return urlsafe_b64decode(text.rstrip("=") + "=")
    except (ValueError, binascii.Error) as error:
        told = InputError("/device/public_key", "wrong_format", "base64url of 32 bytes is expected")
        raise InputInvalid(errors=[told]) from error
