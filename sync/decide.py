"""Decide what a mutation about a stop means. Pure: what is known goes in, a ruling comes out."""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from backend.domain.stop import StopState
from sync.kinds import Kind
from sync.matrix import MATRIX, Act, Ruling, Situation

_ACTS = MappingProxyType(
    {
        Kind.STOP_DEPARTED: Act.NOTE,
        Kind.STOP_ARRIVED: Act.ARRIVE,
        Kind.STOP_DELIVERED: Act.DELIVER,
        Kind.STOP_FAILED: Act.FAIL,
        Kind.EVIDENCE_ADDED: Act.PROVE,
        Kind.CODE_PRESENTED: Act.PROVE,
        Kind.PARCEL_SCANNED: Act.NOTE,
        Kind.STOP_NOTED: Act.NOTE,
        Kind.STOP_CORRECTED: Act.CORRECT,
        Kind.STOP_SKIPPED: Act.SKIP,
    }
)


class Closer(StrEnum):
    """Who closed a stop, seen from the driver whose mutation is judged."""

    SELF = "self"
    OTHER_DRIVER = "other_driver"
    OFFICE = "office"


@dataclass(frozen=True, slots=True)
class Known:
    """What the server knows of a stop as a mutation arrives.

    ``office_version`` is the stop's version at the office's latest change of it.
    """

    state: StopState
    is_mine: bool
    office_version: int
    closer: Closer | None


def decide(kind: Kind, base: int | None, known: Known) -> Ruling:
    """Look the mutation up in the matrix."""
    return MATRIX[_ACTS[kind], situation(base, known)]


def situation(base: int | None, known: Known) -> Situation:
    """Name how the stop stands."""
    match known.state:
        case StopState.CANCELLED:
            return Situation.CANCELLED
        case StopState.DELIVERED | StopState.FAILED:
            return _closed(known.state, known.closer)
        case _ if not known.is_mine:
            return Situation.REASSIGNED
        case _ if base is not None and base < known.office_version:
            return Situation.CHANGED
        case StopState.ARRIVED:
            return Situation.ARRIVED
        case _:
            return Situation.OPEN


def _closed(state: StopState, closer: Closer | None) -> Situation:
    who = {Closer.SELF: "own", Closer.OTHER_DRIVER: "other"}.get(closer or Closer.OFFICE, "set")
    return Situation(f"{who}_{state}")
