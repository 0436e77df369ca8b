"""What a planning engine is asked: one depot, one day, shifts and visits.

Frozen values, validated where they are made, standard library only. All times are whole seconds
since ``Problem.origin`` (names end in ``_s``), loads are whole grams and cubic centimetres, and
costs are seconds of driving: a penalty of 3,600 is worth an hour on the road.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from backend.domain.geo import LatLon


@dataclass(frozen=True, slots=True)
class Load:
    """Weight in grams and volume in cubic centimetres.

    Raises:
        ValueError: one of them is negative.
    """

    grams: int = 0
    cm3: int = 0

    def __post_init__(self) -> None:
        if self.grams < 0 or self.cm3 < 0:
            raise ValueError(f"a load cannot be negative: {self.grams} g, {self.cm3} cm3")

    def __add__(self, other: "Load") -> "Load":
        return Load(self.grams + other.grams, self.cm3 + other.cm3)

    def fits_in(self, capacity: "Load") -> bool:
        """Tell whether it goes into the space of the capacity."""
        return self.grams <= capacity.grams and self.cm3 <= capacity.cm3


@dataclass(frozen=True, slots=True)
class Window:
    """When service may begin: both ends belong to it.

    Raises:
        ValueError: it closes before it opens.
    """

    opens_s: int
    closes_s: int

    def __post_init__(self) -> None:
        if self.closes_s < self.opens_s:
            raise ValueError(
                f"the window closes ({self.closes_s}) before it opens ({self.opens_s})"
            )


@dataclass(frozen=True, slots=True)
class Depot:
    """Where every route of the day starts and ends."""

    id: str
    place: LatLon


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A van: what it carries and what it can do (``refrigerated``, ``tail_lift``)."""

    id: str
    capacity: Load
    skills: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Shift:
    """One driver with one vehicle from ``starts_s`` to ``ends_s``; a route is one shift's work.

    ``fixed_cost_s`` is what it costs to use the shift at all, in seconds of driving.

    Raises:
        ValueError: it ends before it starts, or its cost is negative.
    """

    id: str
    vehicle: Vehicle
    starts_s: int
    ends_s: int
    driver_skills: frozenset[str] = frozenset()
    fixed_cost_s: int = 1800

    def __post_init__(self) -> None:
        if self.ends_s < self.starts_s:
            raise ValueError(f"shift {self.id} ends before it starts")
        if self.fixed_cost_s < 0:
            raise ValueError(f"shift {self.id} has a negative cost")

    @property
    def skills(self) -> frozenset[str]:
        """What van and driver can do together."""
        return self.vehicle.skills | self.driver_skills


@dataclass(frozen=True, slots=True)
class Pin:
    """A dispatcher's word: this visit belongs to that shift.

    Visits pinned to the same shift with a ``rank`` keep the order of their ranks.
    """

    shift: str
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """One door to go to: what goes there, when, for how long, and what it costs to leave it out.

    ``service_s`` contains the segment's buffer.

    Raises:
        ValueError: negative service time or penalty.
    """

    id: str
    place: LatLon
    window: Window
    service_s: int
    demand: Load = field(default_factory=Load)
    needs: frozenset[str] = frozenset()
    drop_penalty_s: int = 10_800
    pin: Pin | None = None

    def __post_init__(self) -> None:
        if self.service_s < 0:
            raise ValueError(f"visit {self.id} has a negative service time")
        if self.drop_penalty_s < 0:
            raise ValueError(f"visit {self.id} has a negative penalty")


@dataclass(frozen=True, slots=True)
class Problem:
    """A day of one depot. Node 0 is the depot, node ``i`` is ``visits[i - 1]``.

    Raises:
        ValueError: ids that are not unique, a pin to an unknown shift, or a naive origin.
    """

    origin: datetime
    depot: Depot
    shifts: tuple[Shift, ...]
    visits: tuple[Visit, ...]

    def __post_init__(self) -> None:
        if self.origin.tzinfo is None:
            raise ValueError("the origin of a day needs a time zone")
        shifts = {shift.id for shift in self.shifts}
        if len(shifts) != len(self.shifts):
            raise ValueError("two shifts have the same id")
        if len({visit.id for visit in self.visits}) != len(self.visits):
            raise ValueError("two visits have the same id")
        for visit in self.visits:
            if visit.pin is not None and visit.pin.shift not in shifts:
                raise ValueError(f"visit {visit.id} is pinned to unknown shift {visit.pin.shift}")

    def moment(self, seconds: int) -> datetime:
        """Return the point in time that lies so many seconds after the origin."""
        return self.origin + timedelta(seconds=seconds)


class Reason(StrEnum):
    """Why a visit is not in the plan. Stable codes, shown to people and machines."""

    NO_LOCATION = "no_location"
    NO_SHIFT = "no_shift"
    SKILL_MISSING = "skill_missing"
    TOO_HEAVY = "too_heavy"
    TOO_LARGE = "too_large"
    WINDOW_IMPOSSIBLE = "window_impossible"
    NO_CAPACITY_LEFT = "no_capacity_left"
    NO_TIME_LEFT = "no_time_left"
    PIN_IMPOSSIBLE = "pin_impossible"
    ATTEMPTS_SPENT = "attempts_spent"
