"""What can go wrong between a phone and its server, named as facts.

HandsetError
├── Unreachable     the network or a server that asks for patience; everything is kept, try later
├── Refused         the server answered with a problem the phone cannot mend by itself
│   └── SignInLost  the tokens are worth nothing any more; enrol again, the journal stays
├── ProtocolFault   the answer contradicts the contract
├── NotEnrolled     there is no device identity yet, or it was wiped
└── TooLarge        the driver's act would never fit a request; nothing was written
"""

from __future__ import annotations


class HandsetError(Exception):
    """Base of everything a handset raises on purpose."""


class Unreachable(HandsetError):
    """No usable answer; safe to try the same again later."""


class Refused(HandsetError):
    """A problem answer (RFC 9457)."""

    def __init__(self, status: int, code: str, detail: str = "") -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail


class SignInLost(Refused):
    """The refresh token is spent, reused or revoked."""


class ProtocolFault(HandsetError):
    """The server said something the contract does not know."""


class NotEnrolled(HandsetError):
    """The phone has no device identity."""


class TooLarge(HandsetError):
    """One mutation would exceed what a request may hold."""
