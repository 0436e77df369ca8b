"""What the driver sees: the server's last word with his own unsettled acts laid over it.

A cancellation is shown before his queue has drained; his own deliveries are shown before the server
knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from handset.journal import Kept
from handset.manifest import Route, Stop

_FINAL = frozenset({"delivered", "failed", "cancelled"})
_REACHED = {"stop.arrived": "arrived", "stop.delivered": "delivered", "stop.failed": "failed"}


def overlay(stop: Stop, acts: Iterable[Kept]) -> Stop:
    """The stop as the driver's own acts leave it."""
    for act in acts:
        if act.stop_id == stop.id:
            stop = _after(stop, act)
    return stop


def _after(stop: Stop, act: Kept) -> Stop:
    if act.kind == "stop.corrected":
        becomes = act.body.get("becomes")
        kind = becomes.get("kind") if isinstance(becomes, dict) else None
        return _moved(stop, _REACHED.get(str(kind), stop.state))
    if act.kind not in _REACHED or stop.state in _FINAL:
        return stop
    return _moved(stop, _REACHED[act.kind])


def _moved(stop: Stop, state: str) -> Stop:
    proof = "awaited" if state in {"delivered", "failed"} and stop.proof == "none" else stop.proof
    return msgspec.structs.replace(stop, state=state, proof=proof)


def in_order(stops: Iterable[Stop], routes: Sequence[Route], acts: Sequence[Kept]) -> list[Stop]:
    """Stops in driving order: as the routes say, then as the driver wished meanwhile."""
    rank = {
        stop_id: (place, index)
        for place, route in enumerate(
            sorted(routes, key=lambda route: (route.date or "", route.id))
        )
        for index, stop_id in enumerate(_wished(route.stop_ids, acts))
    }
    last = (len(routes), 0)
    return sorted(stops, key=lambda stop: (*rank.get(stop.id, last), stop.sequence, stop.id))


def _wished(stop_ids: Sequence[str], acts: Sequence[Kept]) -> list[str]:
    order = list(stop_ids)
    for act in acts:
        if act.kind == "stop.skipped" and act.stop_id in order:
            order.remove(act.stop_id)
            order.append(act.stop_id)
        elif act.kind == "route.resequenced":
            order = _resequenced(order, act.body.get("stop_ids"))
    return order


def _resequenced(order: list[str], wish: object) -> list[str]:
    if not isinstance(wish, list) or not set(wish) & set(order):
        return order
    wished = [stop_id for stop_id in wish if stop_id in order]
    return wished + [stop_id for stop_id in order if stop_id not in wished]
