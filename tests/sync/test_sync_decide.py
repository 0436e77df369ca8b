"""From what is known to a row of the matrix, and from there to a ruling."""

from datetime import UTC, datetime, timedelta

import pytest

from backend.domain.stop import StopState
from backend.domain.transitions import Move, move
from sync.decide import (
    Change,
    Closer,
    Holder,
    Known,
    Said,
    decide,
    decide_route,
    moves,
    situation,
    uniform,
)
from sync.kinds import About, Kind, about
from sync.matrix import Act, Fact, Outcome, Situation

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ARRIVED = Said(Kind.STOP_ARRIVED, base=5, at=NOON)
DELIVERED = Said(Kind.STOP_DELIVERED, base=5, at=NOON)
SKIPPED = Said(Kind.STOP_SKIPPED, base=5, at=NOON)


def office(kind: str, version: int = 6, to: str | None = None) -> Change:
    """Something the control room recorded."""
    return Change(version, kind, NOON, to=to)


def twin(kind: str, *, after_s: float = 0, barcode: str | None = None) -> Change:
    """Something the same driver told with another device."""
    at = NOON + timedelta(seconds=after_s)
    return Change(6, kind, at, by_office=False, barcode=barcode)


def released(*changes: Change, holder: Holder = Holder.SELF) -> Known:
    """A stop that is still to be visited."""
    return Known(StopState.RELEASED, holder, None, changes)


@pytest.mark.parametrize(
    ("state", "holder", "closer", "row"),
    [
        (StopState.RELEASED, Holder.SELF, None, Situation.NONE),
        (StopState.ARRIVED, Holder.SELF, None, Situation.NONE),
        (StopState.RELEASED, Holder.OTHER, None, Situation.REASSIGNED),
        (StopState.ARRIVED, Holder.OTHER, None, Situation.REASSIGNED_ARRIVED),
        (StopState.RELEASED, Holder.LEFT, None, Situation.ROUTE_CLOSED),
        (StopState.ARRIVED, Holder.LEFT, None, Situation.ROUTE_CLOSED),
        (StopState.CANCELLED, Holder.SELF, None, Situation.CANCELLED),
        (StopState.CANCELLED, Holder.OTHER, None, Situation.CANCELLED),
        (StopState.DELIVERED, Holder.SELF, Closer.SELF, Situation.OWN_DELIVERED),
        (StopState.FAILED, Holder.LEFT, Closer.SELF, Situation.OWN_FAILED),
        (StopState.DELIVERED, Holder.SELF, Closer.OTHER_DEVICE, Situation.OWN_OTHER_DEVICE),
        (StopState.FAILED, Holder.OTHER, Closer.OTHER_DRIVER, Situation.REASSIGNED_CLOSED),
        (StopState.DELIVERED, Holder.OTHER, Closer.OFFICE, Situation.SET_DELIVERED),
        (StopState.FAILED, Holder.SELF, Closer.OFFICE, Situation.SET_FAILED),
        (StopState.DELIVERED, Holder.SELF, None, Situation.SET_DELIVERED),
    ],
)
def test_state_holder_and_closer_name_the_row(
    state: StopState, holder: Holder, closer: Closer | None, row: Situation
) -> None:
    """What moved the stop or took it away rules, whatever else changed and whatever was seen."""
    known = Known(state, holder, closer)
    assert situation(ARRIVED, known) is row
    assert situation(Said(Kind.STOP_ARRIVED), known) is row
    changed = Known(state, holder, closer, (office("door.issued"),))
    assert (situation(ARRIVED, changed) is row) == (row is not Situation.NONE)


@pytest.mark.parametrize(
    ("change", "row"),
    [
        (office("stop.contact_changed"), Situation.CONTACT),
        (office("privacy.erased"), Situation.CONTACT),
        (office("stop.retimed"), Situation.WINDOW),
        (office("door.issued"), Situation.CODE_REISSUED),
        (office("stop.resequenced"), Situation.RESEQUENCED),
        (office("stop.reassigned"), Situation.RESEQUENCED),
        (office("stop.pinned"), Situation.RESEQUENCED),
        (office("stop.overridden", to="released"), Situation.REOPENED),
        (office("stop.overridden", to="failed"), Situation.NONE),
        (office("stop.withdrawn"), Situation.NONE),
        (twin("stop.arrived"), Situation.OWN_OTHER_DEVICE),
        (twin("stop.noted"), Situation.NONE),
    ],
)
def test_a_change_since_the_driver_looked_names_the_row(change: Change, row: Situation) -> None:
    """Of what he saw already nothing counts; who does not say what he saw saw everything."""
    known = released(change)
    assert situation(ARRIVED, known) is row
    for base in (6, 7, None):
        assert situation(Said(Kind.STOP_ARRIVED, base, NOON), known) is Situation.NONE


def test_of_several_changes_the_one_that_asks_most_rules() -> None:
    """Whichever came first; a condition that does not hold asks nothing."""
    both = (office("stop.contact_changed"), office("stop.resequenced", 7))
    for changes in (both, both[::-1]):
        known = released(*changes)
        assert situation(SKIPPED, known) is Situation.RESEQUENCED
        assert situation(Said(Kind.STOP_FAILED, 5, NOON), known) is Situation.CONTACT
    coded = released(office("door.issued"), office("stop.overridden", 7, to="released"))
    assert situation(DELIVERED, coded) is Situation.REOPENED
    old = frozenset({Fact.OLD_CODE})
    assert decide(DELIVERED, released(office("door.issued")), old).ruling.asks == "conflict"
    assert decide(DELIVERED, released(office("door.issued"))).ruling.outcome is Outcome.APPLIED


def test_a_second_arrival_adds_nothing() -> None:
    """Whoever told of the first."""
    there = Known(StopState.ARRIVED, Holder.SELF, None, (office("stop.contact_changed"),))
    ruling = decide(ARRIVED, there).ruling
    assert (ruling.outcome, ruling.merges) == (Outcome.RECORDED, True)


@pytest.mark.parametrize(
    ("kind", "state", "outcome"),
    [
        (Kind.STOP_DELIVERED, StopState.DELIVERED, Outcome.RECORDED),
        (Kind.STOP_DELIVERED, StopState.FAILED, Outcome.CONFLICT),
        (Kind.STOP_FAILED, StopState.FAILED, Outcome.RECORDED),
        (Kind.STOP_FAILED, StopState.DELIVERED, Outcome.CONFLICT),
    ],
)
def test_two_devices_of_a_driver_agree_or_a_person_looks(
    kind: Kind, state: StopState, outcome: Outcome
) -> None:
    """The same end twice is one; two ends are a conflict, and a delivery wins."""
    known = Known(state, Holder.SELF, Closer.OTHER_DEVICE)
    assert decide(Said(kind, 5, NOON), known).ruling.outcome is outcome
    wins = moves(Act.DELIVER, StopState.FAILED), moves(Act.FAIL, StopState.DELIVERED)
    assert wins == (True, False)


@pytest.mark.parametrize(("apart", "merged"), [(60, True), (-60, True), (61, False)])
def test_one_barcode_read_by_two_devices_within_a_minute_is_one_scan(
    apart: float, *, merged: bool
) -> None:
    """Another barcode, or later, is another scan."""
    known = released(twin("parcel.scanned", after_s=apart, barcode="P1"))
    same = Said(Kind.PARCEL_SCANNED, 5, NOON, barcode="P1")
    assert decide(same, known).ruling.merges is merged
    other = Said(Kind.PARCEL_SCANNED, 5, NOON, barcode="P2")
    assert decide(other, known).ruling.outcome is Outcome.APPLIED


@pytest.mark.parametrize(
    ("after_s", "outcome"), [(1, Outcome.RECORDED), (-1, Outcome.APPLIED), (0, Outcome.APPLIED)]
)
def test_of_two_wishes_the_later_one_counts(after_s: float, outcome: Outcome) -> None:
    """By the estimated time, whichever arrived first."""
    known = released(twin("stop.skipped", after_s=after_s))
    assert decide(SKIPPED, known).ruling.outcome is outcome


def test_a_delivery_of_a_part_is_told_apart() -> None:
    """It may ask a person where the whole would not."""
    whole, part = DELIVERED, Said(Kind.STOP_DELIVERED, 5, NOON, partly=True)
    known = Known(StopState.DELIVERED, Holder.SELF, Closer.OFFICE)
    assert decide(whole, known).ruling.outcome is Outcome.RECORDED
    assert decide(part, known).ruling.outcome is Outcome.CONFLICT


def test_every_kind_about_a_stop_or_route_can_be_decided() -> None:
    """No kind falls outside the matrix."""
    for kind in Kind:
        if about(kind) is About.STOP:
            assert decide(Said(kind, 5, NOON), released()).situation is Situation.NONE
        if about(kind) is About.ROUTE:
            assert decide_route(kind, Holder.SELF).outcome is Outcome.APPLIED


@pytest.mark.parametrize(
    ("holder", "changed", "code"),
    [
        (Holder.SELF, False, None),
        (Holder.SELF, True, "plan_newer"),
        (Holder.OTHER, False, "plan_newer"),
        (Holder.LEFT, False, "plan_newer"),
    ],
)
def test_a_wish_for_another_order_loses_to_a_later_plan(
    holder: Holder, *, changed: bool, code: str | None
) -> None:
    """And where the route is no longer the driver's."""
    assert decide_route(Kind.ROUTE_RESEQUENCED, holder, changed=changed).code == code


@pytest.mark.parametrize("stands", [Situation.UNKNOWN, Situation.GAP, Situation.REVOKED])
def test_some_rows_are_uniform(stands: Situation) -> None:
    """What the numbering and the device decide holds for every kind of mutation alike."""
    assert uniform(stands).outcome in (Outcome.HELD, Outcome.QUARANTINED)


def test_a_mixed_row_is_not_uniform() -> None:
    """Asking for its one ruling fails loudly."""
    with pytest.raises(ValueError, match="too many"):
        uniform(Situation.CANCELLED)


@pytest.mark.parametrize("state", [StopState.RELEASED, StopState.ARRIVED])
@pytest.mark.parametrize(
    ("act", "made"),
    [(Act.ARRIVE, Move.ARRIVE), (Act.DELIVER, Move.DELIVER), (Act.FAIL, Move.FAIL)],
)
def test_drivers_and_office_move_an_open_stop_alike(act: Act, made: Move, state: StopState) -> None:
    """What a driver's event moves is exactly what the state table lets move."""
    assert moves(act, state) == (move(state, made) is not None)


@pytest.mark.parametrize("state", [one for one in StopState if one.is_final])
def test_only_a_delivery_moves_what_is_over(state: StopState) -> None:
    """A failure and an arrival stay beside it; so does a second delivery."""
    assert not moves(Act.FAIL, state)
    assert not moves(Act.ARRIVE, state)
    assert moves(Act.DELIVER, state) == moves(Act.PART, state) == (state != StopState.DELIVERED)
