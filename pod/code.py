"""The six digits a customer says at the door: RFC 4226 (HOTP), derived and never stored.

Each issue of a stop has a key of its own, derived from the installation's master key; a copy of
the database tells nobody a code. Counting and spending are ``service``'s, this is arithmetic.
"""

import base64
import hmac
from uuid import UUID

import pyotp

from backend.keys import derive

DIGITS = 6
_SPOKEN = str.maketrans("", "", " -.\u00a0")


def door_key(master: bytes, stop_id: UUID, issue_no: int) -> bytes:
    """Return the key of one issue of a stop's door; the token uses it too."""
    return derive(master, "door", str(stop_id), str(issue_no))


def door_code(key: bytes) -> str:
    """Return the six digits of an issue."""
    return pyotp.HOTP(base64.b32encode(key).decode(), digits=DIGITS).at(0)


def same_code(given: str, key: bytes) -> bool:
    """Compare in constant time, forgiving the blanks and dashes people type between digits."""
    typed = given.translate(_SPOKEN)
    return hmac.compare_digest(typed.encode("utf-8", "replace"), door_code(key).encode())
