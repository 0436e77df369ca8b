"""The examination, on what phones and server might have said: every kind of wrong is found."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from backend.cli.day.control_room import Happening
from backend.cli.drill.examine import Findings, examine
from backend.cli.drill.witness import Act, Heard, Mirror
from handset.wire import Receipt

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
ENTRY = "e" * 64
RECEIPT = Receipt("applied", 1, "m", entry=ENTRY)
ACT = Act(
    phone=3,
    driver="Ada",
    life=1,
    life_is_over=False,
    is_found=False,
    n=1,
    id="m",
    kind="stop.delivered",
    stop_id="s",
    acked=True,
    receipt=RECEIPT,
    truly=AT,
)
EVENT = Happening("ev", "stop.delivered", "driver", AT.isoformat(), AT.isoformat(), "m", ENTRY)


@pytest.fixture
def heard() -> Heard:
    """A day on which one act was done, acknowledged and is there."""
    return Heard(
        acts=[ACT],
        files={"f"},
        mirrors=[Mirror(3, "d", "d", "d")],
        had={"m"},
        events=[EVENT],
        leaves=Counter({ENTRY: 1}),
        effects=Counter({("m", "stop", "s", "stop.delivered"): 1}),
        evidence={"f": 12_000},
        entries=1,
        audit="ok",
    )


def _one_lie(found: Findings) -> list[str]:
    """The only thing that is wrong."""
    [said] = [*found.lost, *found.doubled, *found.unsaid, *found.odd, *found.off_the_mark]
    assert not found.is_good
    return [said]


def test_what_fits_is_good(heard: Heard) -> None:
    """Everything recorded, acknowledged, there, once, and in agreement."""
    found = examine(heard)
    assert found.is_good
    assert (found.recorded, found.acknowledged, found.outcomes) == (1, 1, Counter(applied=1))


def test_an_act_that_the_server_does_not_have_is_lost(heard: Heard) -> None:
    """By `have`, by the log, and by the timeline, each by itself."""
    heard.had.clear()
    assert examine(heard).lost == _one_lie(examine(heard))
    heard.had.add("m")
    heard.leaves.clear()
    assert "0 times in the log" in _one_lie(examine(heard))[0]
    heard.leaves[ENTRY] = 1
    heard.events.clear()
    assert "not on the timeline" in _one_lie(examine(heard))[0]


def test_an_act_that_had_its_effect_twice_is_doubled(heard: Heard) -> None:
    """On the timeline, or in the log; and it is named with its phone."""
    heard.events.append(replace_id(EVENT))
    assert "phone 3.1 (Ada) act 1" in _one_lie(examine(heard))[0]
    heard.events.pop()
    heard.effects["m", "stop", "s", "stop.delivered"] = 2
    assert examine(heard).doubled == _one_lie(examine(heard))


def replace_id(event: Happening) -> Happening:
    """The same event once more."""
    return Happening(
        "other", event.kind, event.source, event.happened, event.known, event.mutation_id
    )


def test_what_a_phone_in_hand_never_got_acknowledged_is_unsaid(heard: Heard) -> None:
    """What went down with a lost phone is counted instead."""
    heard.acts = [replace(ACT, acked=False, receipt=None)]
    assert examine(heard).unsaid == _one_lie(examine(heard))
    heard.acts = [replace(ACT, acked=False, receipt=None, life_is_over=True)]
    found = examine(heard)
    assert (found.went_down, found.of_these_heard) == (1, 1)
    assert found.is_good


def test_what_a_found_phone_told_is_there(heard: Heard) -> None:
    """A phone that was revoked and turned up again has said everything before it was wiped."""
    told = replace(ACT, acked=False, receipt=None, life_is_over=True, is_found=True)
    heard.acts = [told]
    assert examine(heard).is_good
    heard.had.clear()
    assert examine(heard).lost == _one_lie(examine(heard))


def test_an_acknowledgement_on_any_life_counts(heard: Heard) -> None:
    """What a lost phone had acknowledged is asked for although its successor knows nothing."""
    old = replace(ACT, life_is_over=True)
    heard.acts = [old, replace(ACT, life=2, acked=False, receipt=None)]
    assert examine(heard).acknowledged == 1
    heard.had.clear()
    assert not examine(heard).is_good


def test_what_needs_a_person_is_asked_once(heard: Heard) -> None:
    """A conflict that nobody is asked about, or is asked about twice, is odd."""
    heard.acts = [replace(ACT, receipt=Receipt("conflict", 1, "m", entry=ENTRY))]
    assert "in the inbox: nothing" in _one_lie(examine(heard))[0]
    heard.inbox["m"] = ["conflict"]
    assert examine(heard).is_good
    heard.inbox["m"] = ["conflict", "conflict"]
    assert "2 times in the inbox" in _one_lie(examine(heard))[0]


def test_a_time_beyond_its_own_uncertainty_is_off_the_mark(heard: Heard) -> None:
    """The server may say that it does not know; what it says it knows has to be so."""
    late = (AT + timedelta(seconds=30)).isoformat()
    event = Happening("ev", "stop.delivered", "driver", late, late, "m", ENTRY)
    event.uncertainty_ms = 60_000
    heard.events = [event]
    assert examine(heard).is_good
    event.uncertainty_ms = 200
    assert examine(heard).off_the_mark == _one_lie(examine(heard))
    event.uncertainty_ms = None
    assert examine(heard).is_good


def test_copies_files_failures_and_the_log_count(heard: Heard) -> None:
    """A copy that diverged, a verified file that is gone, a 500, a log that does not verify."""
    assert not examine(heard, failures={"POST /driver/v1/sync 500": 1}).is_good
    heard.mirrors = [Mirror(3, "d", "d", "other")]
    assert len(examine(heard).diverged) == 1
    heard.mirrors = [Mirror(3, "d", "d", "d", ("stop s v3",))]
    assert "stop s v3" in examine(heard).diverged[0]
    heard.mirrors = []
    heard.files.add("gone")
    assert examine(heard).files_lost == ["gone"]
    heard.files.remove("gone")
    heard.audit = "tampered"
    assert not examine(heard).is_good
