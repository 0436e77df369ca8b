"""The reference offline client: a driver's phone in Python.

It knows the handset contract alone and imports nothing of the server, so that whatever it proves
about the server an app written by a stranger would find too. The demo, the drill and the journeys
all drive it.
"""

from handset.clockwork import DeviceClock, ShiftedClock, SystemClock
from handset.evidence import Photo, Strokes
from handset.faults import (
    HandsetError,
    NotEnrolled,
    ProtocolFault,
    Refused,
    SignInLost,
    TooLarge,
    Unreachable,
)
from handset.handset import Handset
from handset.sync import SyncReport
from handset.verbs import Fix

__all__ = [
    "DeviceClock",
    "Fix",
    "Handset",
    "HandsetError",
    "NotEnrolled",
    "Photo",
    "ProtocolFault",
    "Refused",
    "ShiftedClock",
    "SignInLost",
    "Strokes",
    "SyncReport",
    "SystemClock",
    "TooLarge",
    "Unreachable",
]
