"""The night's plans: each depot, once, at the configured hour of its own clock.

Which nights have their plan is a row, so it does not matter how many timetables tick, how often, or
what happened while none did. Nothing is planned where nobody waits or somebody planned already.
"""

import datetime as dt
from zoneinfo import ZoneInfo

from backend.store import planning
from backend.store.database import Tx, moment
from planner.service import queue_plan

NOON = 12
CATCH_UP_H = 3
"""For so many hours after its hour a night that was missed is still made up for."""


async def queue_nightly(tx: Tx, hour: int) -> int:
    """Queue the plans that are due now; return how many."""
    queued = 0
    for depot in await planning.depots(tx):
        date = night_for(moment(tx), ZoneInfo(depot.timezone), hour)
        if date is None or not await planning.awaits_a_plan(tx, depot.id, date):
            continue
        plan_id = await queue_plan(tx, depot.id, date, requested_by="nightly", nightly=True)
        queued += plan_id is not None
    return queued


def night_for(now: dt.datetime, zone: ZoneInfo, hour: int) -> dt.date | None:
    """Return the date to plan for if the hour has struck there; None at any other time.

    An hour before noon plans the day that has begun, a later one the day that follows.
    """
    local = now.astimezone(zone)
    struck = local.replace(hour=hour, minute=0, second=0, microsecond=0)
    if local < struck and hour + CATCH_UP_H > 24:
        struck -= dt.timedelta(days=1)
    if not struck <= local < struck + dt.timedelta(hours=CATCH_UP_H):
        return None
    return struck.date() + dt.timedelta(days=0 if hour < NOON else 1)
