"""The driver's acts, in the order he did them, on disk before anything else happens.

Numbers are gapless and given in the same transaction as the act; the bytes of a mutation are frozen
at capture and sent exactly so for ever. Acknowledged mutations stay for a week, because a server
restored from its backup will ask for them again.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from handset.clockwork import parse_time, rfc3339
from handset.disk import Disk
from handset.faults import TooLarge
from handset.keys import DeviceKey, canonical
from handset.wire import Body, Json, Receipt

BATCH_MUTATIONS = 200
BATCH_BYTES = 256 * 1024
# What surrounds the mutations in a request: cursor, client block, brackets.
ENVELOPE_RESERVE = 8 * 1024
LARGEST_MUTATION = 64 * 1024
KEPT_FOR = timedelta(days=7)

_COLUMNS = "n, id, kind, stop_id, envelope, state, receipt, captured_at"


@dataclass(frozen=True, slots=True)
class Draft:
    """An act before it has a number."""

    kind: str
    body: Body
    at: Body
    kind_version: int = 1
    stop_id: str | None = None
    route_id: str | None = None
    base: int | None = None
    policy_version: int | None = None
    fix: Body | None = None
    evidence: tuple[Body, ...] = ()

    def numbered(self, n: int, mutation_id: str) -> dict[str, Json]:
        """The envelope of the contract's section 2.1, absent members left out."""
        wanted: dict[str, Json] = {
            "stop_id": self.stop_id,
            "route_id": self.route_id,
            "base": self.base,
            "policy_version": self.policy_version,
            "fix": self.fix,
            "evidence": list(self.evidence) or None,
        }
        return {
            "id": mutation_id,
            "n": n,
            "kind": self.kind,
            "kind_version": self.kind_version,
            "at": self.at,
            "body": self.body,
            **{name: value for name, value in wanted.items() if value is not None},
        }


@dataclass(frozen=True, slots=True)
class Kept:
    """A mutation as it lies in the journal."""

    n: int
    id: str
    kind: str
    stop_id: str | None
    envelope: bytes
    acked: bool
    receipt: Receipt | None
    captured_at: str

    @property
    def body(self) -> dict[str, object]:
        return msgspec.json.decode(self.envelope, type=_Bodied).body


class _Bodied(msgspec.Struct):
    body: dict[str, object]


class Journal:
    """Append, send, settle; an act is never rewritten, only renumbered for a new device."""

    def __init__(self, disk: Disk, key: DeviceKey | None = None) -> None:
        self._disk = disk
        self._key = key

    # --- capture ---------------------------------------------------------------------------

    def capture(self, draft: Draft, also: Callable[[str], None] = lambda _id: None) -> Kept:
        """Number the act and keep it; `also` is the local effect, in the same transaction."""
        with self._disk.transaction():
            n = self.last_n + 1
            kept = self._insert(n, str(uuid.uuid4()), draft)
            self._disk.put("last_n", str(n))
            also(kept.id)
        return kept

    def declare_lost(self, from_n: int, to_n: int, at: Body) -> Kept:
        """Say that these numbers are gone for good; the declaration takes the first of them."""
        draft = Draft("device.lost_events", {"from_n": from_n, "to_n": to_n}, at)
        with self._disk.transaction():
            self._disk.put("last_n", str(max(self.last_n, to_n)))
            return self._insert(from_n, str(uuid.uuid4()), draft)

    def _insert(self, n: int, mutation_id: str, draft: Draft) -> Kept:
        envelope = self._freeze(draft.numbered(n, mutation_id))
        captured_at = str(draft.at.get("wall"))
        self._disk.db.execute(
            "INSERT INTO journal (n, id, kind, stop_id, captured_at, envelope)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (n, mutation_id, draft.kind, draft.stop_id, captured_at, envelope),
        )
        return Kept(n, mutation_id, draft.kind, draft.stop_id, envelope, False, None, captured_at)

    def _freeze(self, mutation: dict[str, Json]) -> bytes:
        if self._key is not None:
            mutation["sig"] = self._key.sign(mutation)
        envelope = canonical(mutation)
        if len(envelope) > LARGEST_MUTATION:
            raise TooLarge(f"a mutation of {len(envelope)} bytes; put large content into evidence")
        return envelope

    # --- what is there ---------------------------------------------------------------------

    @property
    def last_n(self) -> int:
        return int(self._disk.get("last_n") or 0)

    @property
    def pending(self) -> int:
        return self._disk.count("SELECT count(*) FROM journal WHERE state = 'pending'")

    @property
    def oldest_pending_at(self) -> str | None:
        return next((kept.captured_at for kept in self._select("state = 'pending'", limit=1)), None)

    def all(self) -> list[Kept]:
        return self._select("1")

    def unreflected(self) -> list[Kept]:
        """Acts that the local base does not show yet."""
        return self._select("reflected = 0")

    def find(self, mutation_id: str) -> Kept | None:
        return next(iter(self._select("id = ?", mutation_id)), None)

    def numbers(self, ns: Sequence[int]) -> list[Kept]:
        chosen = set(ns)
        return [kept for kept in self.all() if kept.n in chosen]

    def batch(self, limit: int = BATCH_MUTATIONS, max_bytes: int = BATCH_BYTES) -> list[Kept]:
        """The oldest pending mutations that fit one request; at least one."""
        room = max_bytes - ENVELOPE_RESERVE
        batch: list[Kept] = []
        for kept in self._select("state = 'pending'", limit=limit):
            room -= len(kept.envelope) + 1
            if room < 0 and batch:
                break
            batch.append(kept)
        return batch

    def _select(self, where: str, *values: str | int, limit: int = -1) -> list[Kept]:
        rows = self._disk.db.execute(
            f"SELECT {_COLUMNS} FROM journal WHERE {where} ORDER BY n LIMIT ?",  # noqa: S608
            (*values, limit),
        )
        return [_kept(row) for row in rows]

    # --- settle ----------------------------------------------------------------------------

    def settle(self, kept: Kept, receipt: Receipt, acked_n: int, server_time: str) -> bool:
        """Write down a receipt; True where it frees the mutation from being sent again."""
        # A revoked device's acts are kept by the server although its numbers stand still.
        acked = receipt.code == "device_revoked" or (kept.n <= acked_n and not receipt.held_for_gap)
        self._disk.db.execute(
            "UPDATE journal SET receipt = ?, state = iif(?, 'acked', state),"
            " acked_at = iif(?, coalesce(acked_at, ?), acked_at) WHERE id = ?",
            (msgspec.json.encode(receipt), acked, acked, server_time, kept.id),
        )
        return acked and not kept.acked

    def mark_reflected(self) -> None:
        """The base now shows the effect of everything acknowledged."""
        self._disk.db.execute(
            "UPDATE journal SET reflected = 1 WHERE state = 'acked' AND reflected = 0"
        )

    def heed_gap(self, need_from: int, at: Body) -> bool:
        """Offer the missing numbers again, or own up to having lost them; True if it changed us."""
        with self._disk.transaction() as db:
            held = self._disk.count("SELECT count(*) FROM journal WHERE n = ?", need_from)
            if held:
                reopened = db.execute(
                    "UPDATE journal SET state = 'pending' WHERE n >= ? AND state = 'acked'",
                    (need_from,),
                )
                return reopened.rowcount > 0
            following = db.execute(
                "SELECT min(n) FROM journal WHERE n > ?", (need_from,)
            ).fetchone()[0]
            to_n = int(following) - 1 if following else max(self.last_n, need_from)
            self.declare_lost(need_from, to_n, at)
            return True

    def heed_acked(self, acked_n: int) -> None:
        """A server ahead of us: this phone came back from an old copy; never reuse its numbers."""
        if acked_n > self.last_n:
            self._disk.put("last_n", str(acked_n))

    def resend_all(self) -> None:
        """Everything kept goes out again, same numbers, same bytes."""
        self._disk.db.execute("UPDATE journal SET state = 'pending' WHERE state = 'acked'")

    def renumber(self) -> None:
        """A new device counts from one; ids stay, so that the server knows what it already has."""
        with self._disk.transaction() as db:
            everything = self.all()
            db.execute("DELETE FROM journal")
            for n, kept in enumerate(everything, start=1):
                self._reissue(db, n, kept)
            self._disk.put("last_n", str(len(everything)))

    def _reissue(self, db: sqlite3.Connection, n: int, kept: Kept) -> None:
        mutation: dict[str, Json] = json.loads(kept.envelope)
        mutation.pop("sig", None)
        mutation["n"] = n
        db.execute(
            "INSERT INTO journal (n, id, kind, stop_id, captured_at, envelope, reflected)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                n,
                kept.id,
                kept.kind,
                kept.stop_id,
                kept.captured_at,
                self._freeze(mutation),
                kept.acked,
            ),
        )

    def prune(self, server_time: str) -> None:
        """Forget what the server has held for a week, by the server's clock, not by ours.

        What it quarantined as a fork waits for the new identity under which it counts.
        """
        oldest = rfc3339(parse_time(server_time) - KEPT_FOR)
        self._disk.db.execute(
            "DELETE FROM journal WHERE state = 'acked' AND reflected = 1 AND acked_at < ?"
            " AND coalesce(json_extract(CAST(receipt AS TEXT), '$.code'), '') <> 'fork'",
            (oldest,),
        )


def _kept(row: tuple[int, str, str, str | None, bytes, str, bytes | None, str]) -> Kept:
    n, mutation_id, kind, stop_id, envelope, state, receipt, captured_at = row
    return Kept(
        n,
        mutation_id,
        kind,
        stop_id,
        envelope,
        state == "acked",
        msgspec.json.decode(receipt, type=Receipt) if receipt else None,
        captured_at,
    )
