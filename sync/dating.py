"""Dating the mutations of one device within one transaction, and keeping what that taught us."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sync import clocks
from sync.clocks import Exchange
from sync.clockwork import Basis, Estimate
from sync.mutations import Fault, Heard
from sync.shown import DeviceTime
from sync.wall import read_wall


class Dating:
    """Says when things happened; remembers, per boot, what it said last."""

    def __init__(self, kept: Mapping[str, Any] | None, exchange: Exchange) -> None:
        self._known = clocks.read(kept)
        self._exchange = exchange

    def date(self, heard: Heard) -> Estimate:
        """Estimate when a mutation happened, whether it could be read or waits for an upgrade."""
        made, self._known = self._known.date(shown_at(heard), heard.n, self._exchange)
        return made

    def kept(self) -> dict[str, Any]:
        """Return what is to be kept now that the call was heard."""
        return clocks.write(self._known.after(self._exchange))


def shown_at(heard: Heard) -> DeviceTime:
    """Return what the device's clocks showed; the time of a feigned position is none."""
    read = heard.read
    at = read.at if isinstance(read, Fault) else read.frame.at
    fix = None if isinstance(read, Fault) else read.frame.fix
    if at is None:
        return DeviceTime()
    gps = None if fix is not None and fix.mock else read_wall(at.gps)
    return DeviceTime(read_wall(at.wall), at.monotonic_ms, at.boot, gps)


def to_json(made: Estimate) -> dict[str, Any]:
    """Write an estimate, so that a mutation which is held is not dated twice."""
    return {
        "happened": made.happened.isoformat(),
        "uncertainty_ms": made.uncertainty_ms,
        "basis": made.basis.value,
    }


def from_json(kept: Mapping[str, Any]) -> Estimate:
    """Read what ``to_json`` wrote."""
    happened = datetime.fromisoformat(kept["happened"])
    return Estimate(happened, kept["uncertainty_ms"], Basis(kept["basis"]))
