"""The local copy: applied whole, in order, and proved by its digest."""

import hashlib
from pathlib import Path

import msgspec
import pytest

from handset.base import Base, digest
from handset.disk import Disk
from handset.wire import Put, Remove, Reply


@pytest.fixture
def base(tmp_path: Path) -> Base:
    """An empty copy."""
    return Base(Disk(tmp_path / "handset.db"))


def _put(kind: str, entity_id: str, v: int) -> Put:
    return Put(kind, entity_id, v, msgspec.Raw(msgspec.json.encode({"id": entity_id, "n": v})))


def _reply(
    *puts: Put,
    removes: tuple[Remove, ...] = (),
    reset: bool = False,
    more: bool = False,
    says: str | None = None,
) -> Reply:
    return Reply(
        "2026-11-23T08:00:00.000Z",
        "epoch",
        0,
        puts=list(puts),
        removes=list(removes),
        reset=reset,
        more=more,
        cursor="c",
        digest=says,
    )


def test_the_digest_is_the_contracts() -> None:
    """Lines `type:id:v`, each ended by a line feed, sorted, hashed."""
    held = [("stop", "b", 2), ("route", "r", 7), ("stop", "a", 10)]
    expected = hashlib.sha256(b"route:r:7\nstop:a:10\nstop:b:2\n").hexdigest()
    assert digest(held) == expected


def test_an_empty_copy_has_the_digest_of_nothing() -> None:
    """No entities, no lines."""
    assert digest([]) == hashlib.sha256(b"").hexdigest()


def test_puts_and_removes_apply_over_the_copy(base: Base) -> None:
    """A later put replaces, a remove removes, the rest stays."""
    base.apply(_reply(_put("stop", "a", 1), _put("stop", "b", 1), _put("route", "r", 1)))
    base.apply(_reply(_put("stop", "a", 5), removes=(Remove("stop", "b"),)))
    assert base.versions() == {("stop", "a"): 5, ("route", "r"): 1}


def test_a_reset_drops_everything_first(base: Base) -> None:
    """After `reset` only what came with it is there."""
    base.apply(_reply(_put("stop", "a", 1)))
    base.apply(_reply(_put("stop", "b", 2), reset=True))
    assert base.versions() == {("stop", "b"): 2}


def test_a_wrong_digest_asks_for_a_snapshot(base: Base) -> None:
    """The copy stays visible, the cursor goes."""
    assert not base.apply(_reply(_put("stop", "a", 1), says="0" * 64))
    assert base.cursor is None
    assert base.versions() == {("stop", "a"): 1}


def test_a_right_digest_keeps_the_cursor(base: Base) -> None:
    """Delta and snapshot agree."""
    assert base.apply(_reply(_put("stop", "a", 1), says=digest([("stop", "a", 1)])))
    assert base.cursor == "c"


def test_no_digest_is_asked_while_more_is_to_come(base: Base) -> None:
    """In the middle of pages the copy is not yet expected to fit."""
    assert base.apply(_reply(_put("stop", "a", 1), more=True))
    assert base.cursor == "c"


def test_a_pull_is_applied_whole_or_not_at_all(base: Base) -> None:
    """A broken page leaves the copy and the cursor as they were."""
    base.apply(_reply(_put("stop", "a", 1)))
    broken = _reply(_put("stop", "b", 1), Put("stop", "c", None, msgspec.Raw(b"{}")), reset=True)  # type: ignore[arg-type]
    with pytest.raises(Exception, match="NOT NULL"):
        base.apply(broken)
    assert base.versions() == {("stop", "a"): 1}
