"""The journal: numbers without gaps, bytes that never change, nothing lost to a kill."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import msgspec
import pytest

from handset.disk import Disk
from handset.faults import TooLarge
from handset.journal import BATCH_BYTES, Draft, Journal, Kept
from handset.keys import DeviceKey
from handset.wire import Body, Receipt

AT: Body = {"wall": "2026-11-23T08:00:00.000Z", "monotonic_ms": 1, "boot": "b", "gps": None}
NOW = "2026-11-23T08:05:00.000Z"


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """An empty journal, unsigned."""
    return Journal(Disk(tmp_path / "handset.db"))


def _note(text: str = "ring twice") -> Draft:
    return Draft("stop.noted", {"text": text}, AT, stop_id="s-1", base=4, policy_version=2)


def _capture(journal: Journal, how_many: int) -> list[Kept]:
    return [journal.capture(_note(f"note {index}")) for index in range(how_many)]


def _ack(journal: Journal, kept: list[Kept], acked_n: int, now: str = NOW) -> None:
    for act in kept:
        journal.settle(act, Receipt("applied", act.n, act.id), acked_n, now)


def test_numbers_have_no_gaps(journal: Journal) -> None:
    """Acts are numbered 1, 2, 3 in the order they happened."""
    assert [act.n for act in _capture(journal, 3)] == [1, 2, 3]
    assert journal.last_n == 3


def test_numbers_go_on_after_pruning(journal: Journal) -> None:
    """A forgotten mutation's number is never given again."""
    acts = _capture(journal, 2)
    _ack(journal, acts, 2)
    journal.mark_reflected()
    journal.prune("2026-12-01T08:06:00.000Z")
    assert journal.all() == []
    assert journal.capture(_note()).n == 3


def test_acknowledged_mutations_stay_a_week(journal: Journal) -> None:
    """Six days after the acknowledgement everything is still there, byte for byte."""
    acts = _capture(journal, 2)
    _ack(journal, acts, 2)
    journal.mark_reflected()
    journal.prune("2026-11-29T08:00:00.000Z")
    assert [act.envelope for act in journal.all()] == [act.envelope for act in acts]


def test_an_envelope_holds_what_the_contract_names(journal: Journal) -> None:
    """Absent members are left out, present ones have the contract's names."""
    sent = msgspec.json.decode(journal.capture(_note()).envelope)
    assert set(sent) == {
        "id",
        "n",
        "kind",
        "kind_version",
        "stop_id",
        "base",
        "policy_version",
        "at",
        "body",
    }


def test_a_failed_local_effect_takes_no_number(journal: Journal) -> None:
    """The number, the act and its local effect are one transaction."""

    def disk_full(_mutation_id: str) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        journal.capture(_note(), also=disk_full)
    assert journal.all() == []
    assert journal.capture(_note()).n == 1


def test_an_act_too_large_for_a_request_is_refused_at_once(journal: Journal) -> None:
    """What could never be sent must not block the queue."""
    with pytest.raises(TooLarge):
        journal.capture(_note("x" * 70_000))
    assert journal.last_n == 0


def test_a_batch_fits_the_limits(journal: Journal) -> None:
    """At most 200 mutations and never more bytes than the contract allows."""
    _capture(journal, 205)
    assert len(journal.batch()) == 200
    for _ in range(10):
        journal.capture(_note("y" * 60_000))
    large = journal.batch(limit=1000)
    assert sum(len(act.envelope) + 1 for act in large) < BATCH_BYTES
    assert [act.n for act in large] == list(range(1, len(large) + 1))


def test_only_what_lies_below_acked_n_is_settled(journal: Journal) -> None:
    """A mutation held for a gap stays pending, whatever else its receipt says."""
    acts = _capture(journal, 2)
    journal.settle(acts[0], Receipt("applied", 1, acts[0].id), 1, NOW)
    journal.settle(acts[1], Receipt("held", 2, acts[1].id, code="gap"), 1, NOW)
    assert [act.n for act in journal.batch()] == [2]


def test_a_revoked_device_may_let_go_of_its_queue(journal: Journal) -> None:
    """The server keeps what a revoked device says, although its numbers stand still."""
    act = journal.capture(_note())
    receipt = Receipt("quarantined", 1, act.id, code="device_revoked")
    assert journal.settle(act, receipt, 0, NOW)
    assert journal.pending == 0


def test_a_gap_is_filled_from_the_journal(journal: Journal) -> None:
    """What the server misses goes out again with the same bytes."""
    acts = _capture(journal, 3)
    _ack(journal, acts, 3)
    assert journal.heed_gap(2, AT)
    assert [act.envelope for act in journal.batch()] == [act.envelope for act in acts[1:]]


def test_a_gap_that_cannot_be_filled_is_declared(journal: Journal) -> None:
    """The declaration takes the first missing number and names the whole range."""
    acts = _capture(journal, 5)
    _ack(journal, acts[:3], 3, "2026-11-01T08:00:00.000Z")
    journal.mark_reflected()
    journal.prune(NOW)
    assert journal.heed_gap(1, AT)
    first = journal.batch()[0]
    assert (first.n, first.kind) == (1, "device.lost_events")
    assert first.body == {"from_n": 1, "to_n": 3}
    assert [act.n for act in journal.batch()] == [1, 4, 5]


def test_a_phone_back_from_an_old_copy_never_reuses_numbers(journal: Journal) -> None:
    """A server that has seen more than we know moves our counter on."""
    journal.capture(_note())
    journal.heed_acked(40)
    assert journal.capture(_note()).n == 41


def test_a_new_epoch_resends_everything_unchanged(journal: Journal) -> None:
    """The same numbers, ids and bytes go out once more."""
    acts = _capture(journal, 3)
    _ack(journal, acts, 3)
    journal.resend_all()
    assert [act.envelope for act in journal.batch()] == [act.envelope for act in acts]


def test_a_new_device_renumbers_and_keeps_ids(tmp_path: Path) -> None:
    """After a new enrolment numbers start at one, ids stay, and signatures fit the new bytes."""
    disk = Disk(tmp_path / "handset.db")
    journal = Journal(disk, DeviceKey(bytes(32)))
    acts = _capture(journal, 4)
    _ack(journal, acts[:2], 2, "2026-11-01T08:00:00.000Z")
    journal.mark_reflected()
    journal.prune(NOW)
    journal.renumber()
    again = journal.all()
    assert [(act.n, act.id) for act in again] == [(1, acts[2].id), (2, acts[3].id)]
    sent = msgspec.json.decode(again[0].envelope)
    signature = sent.pop("sig")
    assert signature == DeviceKey(bytes(32)).sign(sent)


_CHILD = textwrap.dedent("""
    import sys
    from pathlib import Path
    from handset.disk import Disk
    from handset.journal import Draft, Journal
    journal = Journal(Disk(Path(sys.argv[1])))
    at = {"wall": "2026-11-23T08:00:00.000Z", "monotonic_ms": 1, "boot": "b", "gps": None}
    while True:
        act = journal.capture(Draft("stop.noted", {"text": "t"}, at, stop_id="s"))
        print(act.n, act.id, flush=True)
""")


def test_what_the_phone_confirmed_survives_kill_nine(tmp_path: Path) -> None:
    """Every act reported before a kill -9 is in the journal, and the numbers stay gapless."""
    path = tmp_path / "handset.db"
    confirmed: dict[int, str] = {}
    for _ in range(3):
        confirmed |= _capture_until_killed(path, at_least=20)
    acts = Journal(Disk(path)).all()
    assert [act.n for act in acts] == list(range(1, len(acts) + 1))
    assert confirmed.items() <= {act.n: act.id for act in acts}.items()


def _capture_until_killed(path: Path, at_least: int) -> dict[int, str]:
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(at_least)]
    child.send_signal(signal.SIGKILL)
    rest = child.stdout.read().splitlines(keepends=True)
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    whole = [line for line in [*lines, *rest] if line.endswith("\n")]
    return {int(n): mutation_id for n, mutation_id in (line.split() for line in whole)}
