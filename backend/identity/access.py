"""Access tokens: short-lived, signed (JWT, HS256), naming a device. Whether it was revoked is asked
of the database on each call, so the token itself holds nothing that could go stale.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

import jwt

from backend.errors import NotSignedIn
from backend.ids import parse_id
from backend.keys import Keys, derive

LIFE = timedelta(minutes=15)
_ISSUER = "doorstep"


class TokenInvalid(NotSignedIn):
    """No token, or not one of ours."""

    code = "token_invalid"
    title = "The token is missing or not valid"


class TokenExpired(NotSignedIn):
    """It was ours, and its time is over: get the next with the refresh token."""

    code = "token_expired"
    title = "The access token has expired"


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token and when it ends."""

    token: str
    expires_at: datetime


def issue(keys: Keys, device_id: UUID, now: datetime) -> AccessToken:
    """Make an access token for a device."""
    expires_at = now + LIFE
    claims = {"iss": _ISSUER, "sub": str(device_id), "exp": int(expires_at.timestamp())}
    return AccessToken(jwt.encode(claims, _key(keys.master), algorithm="HS256"), expires_at)


def read(keys: Keys, token: str, now: datetime) -> UUID:
    """Return the device a token names.

    Raises:
        TokenInvalid: not ours.
        TokenExpired: ours, but over.
    """
    device_id, expires = _claims(_key(keys.master), token)
    if expires <= now.timestamp():
        raise TokenExpired
    return device_id


# A phone shows the same token for a quarter of an hour, and what it says cannot change.
@lru_cache(maxsize=4_096)
def _claims(key: bytes, token: str) -> tuple[UUID, int]:
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=["HS256"],
            issuer=_ISSUER,
            options={"require": ["exp", "sub"], "verify_exp": False},
        )
    except (jwt.InvalidTokenError, ValueError) as error:
        raise TokenInvalid from error
    device_id, expires = parse_id(str(claims["sub"])), claims["exp"]
    if device_id is None or not isinstance(expires, int):
        raise TokenInvalid
    return device_id, expires


@lru_cache(maxsize=8)
def _key(master: bytes) -> bytes:
    return derive(master, "access-token")
