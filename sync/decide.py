"""Decide what a mutation about a stop means. Pure: what is known goes in, a ruling comes out."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from backend.domain.stop import StopState
from sync.kinds import Kind
from sync.matrix import MATRIX, Act, Ask, Fact, Outcome, Ruling, Situation

ACTS = MappingProxyType(
    {
        Kind.STOP_DEPARTED: Act.DEPART,
        Kind.STOP_ARRIVED: Act.ARRIVE,
        Kind.STOP_DELIVERED: Act.DELIVER,
        Kind.STOP_FAILED: Act.FAIL,
        Kind.EVIDENCE_ADDED: Act.PROVE,
        Kind.CODE_PRESENTED: Act.PROVE,
        Kind.PARCEL_SCANNED: Act.SCAN,
        Kind.STOP_NOTED: Act.NOTE,
        Kind.STOP_CORRECTED: Act.CORRECT,
        Kind.STOP_SKIPPED: Act.PLAN,
        Kind.ROUTE_RESEQUENCED: Act.PLAN,
        Kind.ROUTE_STARTED: Act.JOURNEY,
        Kind.ROUTE_FINISHED: Act.JOURNEY,
    }
)
ONE_SCAN = timedelta(seconds=60)


class Holder(StrEnum):
    """Whose a stop is, seen from the driver whose mutation is judged."""

    SELF = "self"
    LEFT = "left"  # his until its route was closed, and nobody's since
    OTHER = "other"


class Closer(StrEnum):
    """Who closed a stop, seen from the device whose mutation is judged."""

    SELF = "self"
    OTHER_DEVICE = "other_device"
    OTHER_DRIVER = "other_driver"
    OFFICE = "office"


class Change(NamedTuple):
    """What others recorded about a stop: the office, or another device of the same driver.

    ``to`` is the state an override asked for, ``barcode`` what was scanned.
    """

    version: int
    kind: str
    at: datetime
    by_office: bool = True
    to: str | None = None
    barcode: str | None = None


class Said(NamedTuple):
    """A driver's word, as far as the matrix asks about it."""

    kind: Kind
    base: int | None = None
    at: datetime | None = None
    partly: bool = False
    barcode: str | None = None

    @property
    def act(self) -> Act:
        """The column of the matrix."""
        if self.kind is Kind.STOP_DELIVERED and self.partly:
            return Act.PART
        return ACTS[self.kind]


class Known(NamedTuple):
    """What the server knows of a stop as a mutation arrives."""

    state: StopState
    holder: Holder
    closer: Closer | None = None
    changes: tuple[Change, ...] = ()

    def since(self, base: int | None) -> Iterator[Change]:
        """Return what changed since the driver looked; one who does not say so saw everything."""
        return (change for change in self.changes if base is not None and change.version > base)


class Decision(NamedTuple):
    """A ruling, and the situation it was made in."""

    ruling: Ruling
    situation: Situation


def decide(said: Said, known: Known, facts: frozenset[Fact] = frozenset()) -> Decision:
    """Look the mutation up in the matrix; ``facts`` are what only the caller can find out."""
    facts |= _facts(said, known)
    stands = situation(said, known, facts)
    return Decision(MATRIX[said.act, stands].rule(facts), stands)


def situation(said: Said, known: Known, facts: frozenset[Fact] = frozenset()) -> Situation:
    """Name what became of the stop since the driver looked.

    What moved the stop or took it away rules over what changed about it; of several changes the
    one that asks most rules.
    """
    if (moved := _moved(known)) is not None:
        return moved
    changed = {one for each in known.since(said.base) if (one := _changed(said, each))}
    return max(sorted(changed), key=lambda one: _weight(said, one, facts), default=Situation.NONE)


def _moved(known: Known) -> Situation | None:
    match known.state, known.holder:
        case StopState.CANCELLED, _:
            return Situation.CANCELLED
        case StopState.DELIVERED | StopState.FAILED, _:
            return _closed(known.state, known.closer)
        case StopState.ARRIVED, Holder.OTHER:
            return Situation.REASSIGNED_ARRIVED
        case _, Holder.OTHER:
            return Situation.REASSIGNED
        case _, Holder.LEFT:
            return Situation.ROUTE_CLOSED
        case _:
            return None


def _closed(state: StopState, closer: Closer | None) -> Situation:
    match closer:
        case Closer.SELF:
            return Situation(f"own_{state}")
        case Closer.OTHER_DEVICE:
            return Situation.OWN_OTHER_DEVICE
        case Closer.OTHER_DRIVER:
            return Situation.REASSIGNED_CLOSED
        case _:
            return Situation(f"set_{state}")


# Whatever else the office did is a word about the plan: facts stand, intents lose.
_OFFICE = MappingProxyType(
    {
        "stop.contact_changed": Situation.CONTACT,
        "privacy.erased": Situation.CONTACT,
        "stop.retimed": Situation.WINDOW,
        "door.issued": Situation.CODE_REISSUED,
    }
)
_TOLD_BY_STATE = frozenset({"stop.withdrawn", "stop.cancelled"})


def _changed(said: Said, change: Change) -> Situation | None:
    if not change.by_office:
        return Situation.OWN_OTHER_DEVICE if change.kind == said.kind else None
    if change.kind in _TOLD_BY_STATE:
        return None
    if change.kind == "stop.overridden":
        return Situation.REOPENED if change.to == StopState.RELEASED else None
    return _OFFICE.get(change.kind, Situation.RESEQUENCED)


_ASKING = MappingProxyType({Ask.NOBODY: 0, Ask.NOTICE: 2, Ask.CONFLICT: 3})


def _weight(said: Said, one: Situation, facts: frozenset[Fact]) -> int:
    ruling = MATRIX[said.act, one].rule(facts)
    return _ASKING[ruling.asks] + (ruling.outcome is not Outcome.APPLIED)


def _facts(said: Said, known: Known) -> frozenset[Fact]:
    """Answer what the conditional cells ask, as far as the stop itself tells."""
    others = [change for change in known.changes if not change.by_office]
    holds = {
        Fact.ALREADY: known.state is StopState.ARRIVED,
        Fact.OUTCOME_DIFFERS: _differs(said.act, known.state),
        Fact.OTHER_FAILED: known.state is StopState.FAILED,
        Fact.SAME_SCAN: any(_same_scan(said, change) for change in others),
        Fact.LATER_INTENT: any(_later(said, change) for change in others),
    }
    return frozenset(fact for fact, true in holds.items() if true)


def _differs(act: Act, state: StopState) -> bool:
    told = StopState.FAILED if act is Act.FAIL else StopState.DELIVERED
    return state is not told


def _same_scan(said: Said, change: Change) -> bool:
    if change.kind != Kind.PARCEL_SCANNED or change.barcode != said.barcode or said.at is None:
        return False
    return abs(change.at - said.at) <= ONE_SCAN


def _later(said: Said, change: Change) -> bool:
    return change.kind == said.kind and said.at is not None and change.at > said.at


def uniform(stands: Situation, *acts: Act) -> Ruling:
    """Return the one ruling that all these acts (all but positions) have in a situation."""
    columns: Iterable[Act] = acts or (act for act in Act if act is not Act.POSITION)
    (ruling,) = {MATRIX[act, stands].ruling for act in columns}
    return ruling


_ROUTES = MappingProxyType(
    {Holder.OTHER: Situation.REASSIGNED, Holder.LEFT: Situation.ROUTE_CLOSED}
)


def decide_route(
    kind: Kind, holder: Holder, *, changed: bool = False, already: bool = False
) -> Ruling:
    """Look a mutation about a route up; ``changed``: the plan was, since the driver looked."""
    stands = _ROUTES.get(holder, Situation.RESEQUENCED if changed else Situation.NONE)
    return MATRIX[ACTS[kind], stands].rule(frozenset({Fact.ALREADY} if already else ()))


_OPEN = frozenset({StopState.PLANNED, StopState.RELEASED})


def moves(act: Act, state: StopState) -> bool:
    """Whether an event that takes effect moves the stop.

    An arrival moves what is open, a failure what nobody closed, a delivery all but a delivery.
    """
    match act:
        case Act.ARRIVE:
            return state in _OPEN
        case Act.FAIL:
            return not state.is_final
        case Act.DELIVER | Act.PART:
            return state is not StopState.DELIVERED
        case _:
            return False
