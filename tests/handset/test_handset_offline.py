"""A phone without any network: the driver's verbs, what he sees, and what waits."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from handset import Fix, Handset, Photo, ShiftedClock, Strokes
from handset.faults import HandsetError
from handset.wire import Put, Receipt, Reply

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


class StillClock:
    """A phone's clocks, stopped."""

    boot = "boot-1"

    def wall(self) -> datetime:
        return NOW

    def monotonic_ms(self) -> int:
        return 5_000


def _entity(kind: str, **members: object) -> Put:
    return Put(kind, str(members["id"]), 1, msgspec.Raw(msgspec.json.encode(members)))


def _stop(stop_id: str, sequence: int, state: str = "released") -> Put:
    return _entity(
        "stop",
        id=stop_id,
        route_id="r",
        version=3,
        sequence=sequence,
        state=state,
        proof="none",
        policy_version=2,
        parcels=[{"id": f"p-{stop_id}", "barcode": f"B-{stop_id}"}],
    )


@pytest.fixture
def phone(tmp_path: Path) -> Handset:
    """A phone with a route of three stops, never connected."""
    handset = Handset(tmp_path / "phone", "http://nowhere.test", clock=StillClock(), signed=False)
    handset.base.apply(
        Reply(
            "2026-11-23T08:00:00.000Z",
            "e",
            0,
            puts=[
                _entity("route", id="r", version=9, state="released", stop_ids=["a", "b", "c"]),
                _stop("c", 3),
                _stop("a", 1),
                _stop("b", 2),
            ],
        )
    )
    return handset


def _seen(phone: Handset) -> list[tuple[str, str]]:
    return [(shown.id, shown.state) for shown in phone.stops()]


def test_stops_come_in_driving_order(phone: Handset) -> None:
    """As the route lists them."""
    assert [shown.id for shown in phone.stops()] == ["a", "b", "c"]


def test_own_acts_show_at_once(phone: Handset) -> None:
    """Arrived, delivered and failed are seen before any server knows."""
    phone.arrive("a")
    phone.deliver("b")
    phone.fail("c", "not_home")
    assert _seen(phone) == [("a", "arrived"), ("b", "delivered"), ("c", "failed")]
    assert phone.stops()[1].proof == "awaited"
    assert phone.pending == 3


def test_a_cancellation_is_not_hidden_by_the_queue(phone: Handset) -> None:
    """The driver sees the server's cancel although his own act is still pending."""
    phone.arrive("a")
    cancelled = Reply("2026-11-23T09:00:00.000Z", "e", 0, puts=[_stop("a", 1, "cancelled")])
    phone.base.apply(cancelled)
    assert _seen(phone)[0] == ("a", "cancelled")


def test_a_correction_shows(phone: Handset) -> None:
    """A delivery mended into a failure is shown as one."""
    act = phone.deliver("a")
    phone.correct(act.id, "wrong door", "stop.failed", {"reason": "not_home"})
    assert _seen(phone)[0] == ("a", "failed")


def test_skips_and_wishes_change_the_order(phone: Handset) -> None:
    """A skipped stop goes last; a wished order holds for the stops it names."""
    phone.skip("a")
    assert [shown.id for shown in phone.stops()] == ["b", "c", "a"]
    phone.resequence("r", ["a", "c"])
    assert [shown.id for shown in phone.stops()] == ["a", "c", "b"]


def test_a_delivery_says_everything_it_knows(phone: Handset) -> None:
    """The envelope holds what the driver saw, where he was, and what proves it."""
    photo = Photo(b"jpeg bytes")
    act = phone.deliver(
        "a",
        recipient=("Ada", "self"),
        photos=[photo],
        signature=Strokes([[(0, 0, 0), (5, 5, 20)]]),
        code="123456",
        fix=Fix(39.29, -76.58),
    )
    sent = msgspec.json.decode(act.envelope)
    assert sent["body"] == {
        "method": "handed_over",
        "recipient": {"name": "Ada", "relation": "self"},
        "parcels": [{"parcel_id": "p-a", "outcome": "delivered"}],
        "signature": {"strokes": [[[0, 0, 0], [5, 5, 20]]]},
        "code": "123456",
    }
    assert (sent["base"], sent["policy_version"], sent["route_id"]) == (3, 2, "r")
    assert sent["evidence"] == [
        {
            "sha256": hashlib.sha256(b"jpeg bytes").hexdigest(),
            "kind": "photo",
            "size": 10,
            "media_type": "image/jpeg",
        }
    ]
    assert sent["at"]["wall"] == "2026-11-23T08:00:00.000Z"


def test_a_long_signature_travels_as_a_file(phone: Handset) -> None:
    """Many strokes go into evidence, and the mutation names their hash."""
    lines = [[(x, y, x * y) for x in range(100)] for y in range(20)]
    act = phone.deliver("a", signature=Strokes(lines))
    sent = msgspec.json.decode(act.envelope)
    (named,) = sent["evidence"]
    assert sent["body"]["signature"] == {"sha256": named["sha256"]}
    assert (named["kind"], named["media_type"]) == ("signature", "application/json")
    stored = msgspec.json.decode(phone.shelf.path(named["sha256"]).read_bytes())
    assert len(stored["strokes"]) == 20


def test_a_photo_waits_until_verified_and_acknowledged(phone: Handset) -> None:
    """The file goes only when the server has it and has acknowledged every act that names it."""
    photo = Photo(b"proof")
    act = phone.deliver("a", photos=[photo])
    path = phone.shelf.path(photo.sha256)
    phone.shelf.mark(photo.sha256, "verified")
    assert phone.shelf.free() == 0
    assert path.exists()
    phone.journal.settle(act, Receipt("applied"), 1, "2026-11-23T08:00:00.000Z")
    assert phone.shelf.free() == 1
    assert not path.exists()


def test_signatures_go_before_photos_and_small_before_large(phone: Handset) -> None:
    """On a weak link the cheapest proof arrives first."""
    large, small = Photo(b"l" * 900), Photo(b"s" * 10)
    pad = Photo(b"p" * 500, "image/png", "signature")
    phone.deliver("a", photos=[large, small], signature=pad)
    assert [waiting.size for waiting in phone.shelf.waiting()] == [500, 10, 900]


def test_an_act_cannot_mend_what_is_not_there(phone: Handset) -> None:
    """A correction names an act of this phone."""
    with pytest.raises(HandsetError):
        phone.correct("nowhere", "oops", "stop.failed", {"reason": "not_home"})


def test_everything_survives_switching_off(phone: Handset, tmp_path: Path) -> None:
    """A second start shows the same stops, the same queue, the same files."""
    phone.deliver("a", photos=[Photo(b"proof")])
    again = Handset(tmp_path / "phone", "http://nowhere.test", clock=StillClock(), signed=False)
    assert _seen(again) == _seen(phone)
    assert (again.pending, again.unsent_photos) == (1, 1)


def test_a_wrong_wall_clock_leaves_the_monotonic_one_true() -> None:
    """A phone that lies about the time of day still tells durations right."""
    clock = ShiftedClock(timedelta(hours=-5), StillClock())
    assert clock.wall() == NOW - timedelta(hours=5)
    assert clock.monotonic_ms() == 5_000
