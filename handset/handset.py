"""The phone as its driver knows it: his verbs, his stops, and the two moves that reach the server.

Every verb is finished when it returns: numbered, on the disk, and shown, with or without a network.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from handset.base import Base
from handset.clockwork import DeviceClock, SystemClock
from handset.disk import Disk, Pulse, Sync, alive
from handset.display import in_order, overlay
from handset.door import opens
from handset.evidence import Shelf
from handset.journal import Journal
from handset.keys import DeviceKey
from handset.lanes import Lanes
from handset.manifest import Reason, Reasons, Route, Stop
from handset.preflight import Missing, count, missing
from handset.session import Device, Session
from handset.sync import Syncer, SyncReport
from handset.transport import Encoding, Patience, Road
from handset.uploads import UploadReport, Uploads
from handset.verbs import Verbs
from handset.wire import Tokens


class Handset(Verbs):
    """One driver's phone, kept in one folder."""

    def __init__(
        self,
        folder: Path,
        base_url: str,
        *,
        clock: DeviceClock | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        patience: Patience | None = None,
        encoding: Encoding = "zstd",
        device: Device | None = None,
        signed: bool = True,
        synchronous: Sync = "FULL",
        pulse: Pulse = alive,
    ) -> None:
        self.clock = clock or SystemClock()
        about = device or Device()
        self._disk = Disk(folder / "handset.db", synchronous=synchronous, pulse=pulse)
        key = DeviceKey.kept_in(folder / "device.key") if signed else None
        self.journal = Journal(self._disk, key)
        self.base = Base(self._disk)
        self.shelf = Shelf(self._disk, folder / "files")
        self._road = Road(
            base_url, transport=transport, patience=patience, encoding=encoding, pulse=pulse
        )
        self.session = Session(self._disk, self._road, about, key)
        self.syncer = Syncer(
            self._disk,
            self.journal,
            self.base,
            self.shelf,
            self.session,
            self._road,
            self.clock,
            about.app_version,
        )
        self.uploads = Uploads(self.shelf, self.session)
        self.lanes = Lanes(self.session, self._road)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._road.close()
        self._disk.close()

    # --- reaching the server ---------------------------------------------------------------

    async def enrol(self, code: str) -> None:
        """Become a device of this code's driver; an old journal moves to the new device."""
        tokens = await self.session.enrol(code, self._move)
        self.syncer.hear(tokens.server_time)

    def _move(self, tokens: Tokens) -> None:
        self.journal.renumber()
        self._disk.put("epoch", tokens.epoch)
        self.base.forget_cursor()

    async def sync(self) -> SyncReport:
        """Say everything, hear everything, and let go of files the server has for good."""
        report = await self.syncer.sync()
        self.shelf.free()
        return report

    async def upload(self, skip: Collection[str] = ()) -> UploadReport:
        """Bring waiting photos and signatures up, resuming where they stopped."""
        return await self.uploads.upload(skip)

    # --- what the driver sees --------------------------------------------------------------

    def routes(self) -> list[Route]:
        return self.base.all("route", Route)

    def stops(self) -> list[Stop]:
        """Every stop in driving order, his own unsettled acts included."""
        acts = self.journal.unreflected()
        shown = [overlay(stop, acts) for stop in self.base.all("stop", Stop)]
        return in_order(shown, self.routes(), acts)

    def stop(self, stop_id: str) -> Stop | None:
        stop = self.base.get("stop", stop_id, Stop)
        return overlay(stop, self.journal.unreflected()) if stop else None

    def reasons(self) -> list[Reason]:
        found = self.base.get("reasons", "reasons", Reasons)
        return found.items if found else []

    def settings(self) -> dict[str, object]:
        """What the server says about photos, undo windows and the like, as sent."""
        return self.base.get("settings", "settings", dict[str, object]) or {}

    @property
    def pending(self) -> int:
        """Acts the server has not acknowledged."""
        return self.journal.pending

    @property
    def must_enrol(self) -> bool:
        """Whether this phone has lost its identity, or shares it with a copy, and needs a code."""
        return self.session.must_enrol

    @property
    def unsent_photos(self) -> int:
        return len(self.shelf.waiting())

    @property
    def upgrade(self) -> str | None:
        """What the server last said about a newer app, as JSON text."""
        return self._disk.get("upgrade")

    def verify_door(self, stop_id: str, qr: str) -> bool:
        """Whether the customer's QR belongs to this stop; needs no network."""
        stop = self.base.get("stop", stop_id, Stop)
        return bool(stop and stop.door and opens(qr, stop_id, stop.door.commitment))

    def preflight(
        self,
        stop_id: str,
        outcome: str,
        *,
        method: str | None = None,
        reason: str | None = None,
        photos: int = 0,
        signature: bool = False,
        code: bool = False,
        door_token: bool = False,
        name: bool = False,
        note: bool = False,
        fix: bool = False,
    ) -> list[Missing]:
        """What the stop's rules still miss for `delivered` or `failed`."""
        stop = self.base.get("stop", stop_id, Stop)
        if stop is None:
            return []
        have = count(
            photos=photos,
            signature=signature,
            code=code,
            door_token=door_token,
            name=name,
            note=note,
            fix=fix,
            scans=self._scans(stop_id),
        )
        return missing(stop, outcome, have, method=method, reason=reason)

    def _scans(self, stop_id: str) -> int:
        return sum(
            act.kind == "parcel.scanned" and act.stop_id == stop_id for act in self.journal.all()
        )
