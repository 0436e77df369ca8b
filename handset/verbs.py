"""The driver's verbs: each is finished when it returns, numbered, on the disk, and shown.

None of them needs a network, and none can fail for want of one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from handset.base import Base
from handset.clockwork import DeviceClock, stamp
from handset.evidence import Photo, Shelf, Strokes
from handset.faults import HandsetError
from handset.journal import Draft, Journal, Kept
from handset.manifest import Route, Stop
from handset.wire import Body, Json

Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Fix:
    """One position as the receiver gave it."""

    lat: float
    lon: float
    accuracy_m: float = 8.0
    mock: bool = False
    gps: datetime | None = None

    def body(self) -> Body:
        return {
            "lat": self.lat,
            "lon": self.lon,
            "accuracy_m": self.accuracy_m,
            "mock": self.mock,
        }


class Verbs:
    """What a driver does, written down as he does it."""

    clock: DeviceClock
    base: Base
    journal: Journal
    shelf: Shelf

    def start_route(self, route_id: str, odometer_km: float | None = None) -> Kept:
        return self.record("route.started", _given(odometer_km=odometer_km), route_id=route_id)

    def finish_route(self, route_id: str, odometer_km: float | None = None) -> Kept:
        return self.record("route.finished", _given(odometer_km=odometer_km), route_id=route_id)

    def depart(self, stop_id: str, fix: Fix | None = None) -> Kept:
        return self.record("stop.departed", {}, stop_id=stop_id, fix=fix)

    def arrive(self, stop_id: str, fix: Fix | None = None) -> Kept:
        return self.record("stop.arrived", {}, stop_id=stop_id, fix=fix)

    def deliver(
        self,
        stop_id: str,
        method: str = "handed_over",
        *,
        recipient: Name | None = None,
        parcels: dict[str, str] | None = None,
        photos: Sequence[Photo] = (),
        signature: Strokes | Photo | None = None,
        code: str | None = None,
        door_token: str | None = None,
        note: str | None = None,
        fix: Fix | None = None,
    ) -> Kept:
        """Parcels are handed over whole unless `parcels` says otherwise by parcel id."""
        files = list(photos)
        body: dict[str, Json] = {
            "method": method,
            "parcels": self._outcomes(stop_id, parcels or {}),
            **_given(code=code, door_token=door_token, note=note),
        }
        if recipient is not None:
            body["recipient"] = {"name": recipient[0], "relation": recipient[1]}
        if isinstance(signature, Strokes) and signature.fits_inline:
            body["signature"] = signature.body()
        elif signature is not None:
            file = signature if isinstance(signature, Photo) else signature.as_file()
            body["signature"] = {"sha256": file.sha256}
            files.append(file)
        return self.record("stop.delivered", body, stop_id=stop_id, fix=fix, files=files)

    def fail(
        self,
        stop_id: str,
        reason: str,
        *,
        note: str | None = None,
        photos: Sequence[Photo] = (),
        fix: Fix | None = None,
    ) -> Kept:
        body = {"reason": reason, **_given(note=note)}
        return self.record("stop.failed", body, stop_id=stop_id, fix=fix, files=photos)

    def note(self, stop_id: str, text: str) -> Kept:
        return self.record("stop.noted", {"text": text}, stop_id=stop_id)

    def scan(self, barcode: str, purpose: str, stop_id: str | None = None) -> Kept:
        body = {"barcode": barcode, "purpose": purpose}
        return self.record("parcel.scanned", body, stop_id=stop_id)

    def skip(self, stop_id: str, reason: str | None = None) -> Kept:
        return self.record("stop.skipped", _given(reason=reason), stop_id=stop_id)

    def resequence(self, route_id: str, stop_ids: Sequence[str]) -> Kept:
        body: dict[str, Json] = {"stop_ids": list(stop_ids)}
        return self.record("route.resequenced", body, route_id=route_id)

    def correct(self, earlier: str, reason: str, kind: str, body: Body) -> Kept:
        """Mend an own event, named by its mutation id."""
        act = self._act(earlier)
        mended: dict[str, Json] = {
            "corrects": earlier,
            "reason": reason,
            "becomes": {"kind": kind, "body": body},
        }
        return self.record("stop.corrected", mended, stop_id=act.stop_id)

    def add_evidence(self, earlier: str, photos: Sequence[Photo], fix: Fix | None = None) -> Kept:
        """More proof for an event recorded before."""
        act = self._act(earlier)
        return self.record(
            "evidence.added", {"for": earlier}, stop_id=act.stop_id, fix=fix, files=photos
        )

    def present_code(
        self, stop_id: str, *, code: str | None = None, door_token: str | None = None
    ) -> Kept:
        body = _given(code=code, door_token=door_token)
        return self.record("code.presented", body, stop_id=stop_id)

    def record(
        self,
        kind: str,
        body: Body,
        *,
        stop_id: str | None = None,
        route_id: str | None = None,
        fix: Fix | None = None,
        files: Sequence[Photo] = (),
        kind_version: int = 1,
    ) -> Kept:
        """Any mutation at all; the verbs above are this with names."""
        stop = self.base.get("stop", stop_id, Stop) if stop_id else None
        route = self.base.get("route", route_id, Route) if route_id else None
        draft = Draft(
            kind=kind,
            body=body,
            at=stamp(self.clock, fix.gps if fix else None),
            kind_version=kind_version,
            stop_id=stop_id,
            route_id=route_id or (stop.route_id if stop else None),
            base=stop.version if stop else route.version if route else None,
            policy_version=stop.policy_version if stop else None,
            fix=fix.body() if fix else None,
            evidence=tuple(file.named() for file in files),
        )
        return self.journal.capture(draft, also=self._keeping(files))

    def _keeping(self, files: Sequence[Photo]) -> Callable[[str], None]:
        """The files are on the disk first; naming them is part of the mutation's transaction."""
        kept = [self.shelf.keep(file) for file in files]

        def name(mutation_id: str) -> None:
            for sha256 in kept:
                self.shelf.name(sha256, mutation_id)

        return name

    def _outcomes(self, stop_id: str, said: dict[str, str]) -> list[Json]:
        stop = self.base.get("stop", stop_id, Stop)
        ids = [parcel.id for parcel in stop.parcels] if stop else list(said)
        return [
            {"parcel_id": parcel_id, "outcome": said.get(parcel_id, "delivered")}
            for parcel_id in ids
        ]

    def _act(self, mutation_id: str) -> Kept:
        act = self.journal.find(mutation_id)
        if act is None:
            raise HandsetError(f"no act {mutation_id} in this phone's journal")
        return act


def _given(**members: str | float | None) -> dict[str, Json]:
    """Only what was said."""
    return {name: value for name, value in members.items() if value is not None}
