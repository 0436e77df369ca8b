"""What supervisors and planners do meanwhile, by the console's own API."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from backend.domain.segment import policy_to_wire
from backend.store import segments
from tests.simulator.depot import Crew, Visit, plan_one_more
from tests.simulator.history import History
from tests.simulator.line import Answer
from tests.simulator.phone import Json
from tests.simulator.points import Request

_ENDS = {
    "cancelled": ("customer_cancelled", None),
    "delivered": ("customer_confirmed", None),
    "failed": ("goods_lost", None),
    "released": ("try_again", None),
    "waived": ("evidence_elsewhere", "waived"),
}


def _nothing(_: Answer) -> None: ...


@dataclass(slots=True)
class Edit:
    """A call to the console, and what its answer lets us know."""

    told: str
    path: str
    body: Json | None = None
    method: str = "POST"
    who: int = 0
    then: Callable[[Answer], None] = _nothing


async def edit(h: History, made: Edit, request: Request | None = None) -> Answer | None:
    """Carry an edit out."""
    h.tally[f"office: {made.told.split()[0]}"] += 1
    body = b"" if made.body is None else json.dumps(made.body).encode()
    answer = await h.office(made.method, made.path, body, request or Request(), made.who)
    h.tell(f"the office {made.told} → {answer.status if answer else 'no answer'}")
    if answer is not None and answer.status < 300:
        made.then(answer)
    return answer


async def draw_edit(h: History, crew: Crew | None = None) -> Edit:
    """Draw what the office does next; ``crew``: it is about this driver's day."""
    drawn = h.dice.weighted(_EDITS)
    return await drawn(h, crew or h.dice.pick(h.depots.crews))


def _a_visit(h: History, crew: Crew) -> Visit:
    return h.dice.pick([visit for visit in h.depots.visits if visit.crew is crew])


async def override(h: History, crew: Crew) -> Edit:
    """Override a stop."""
    visit, to = _a_visit(h, crew), h.dice.pick(sorted(_ENDS))
    reason, proof = _ENDS[to]
    body: Json = {"to": "delivered" if to == "waived" else to, "reason": reason, "proof": proof}
    body |= {"note": "because the customer said so", "idempotency_key": h.fresh_id()}
    path = f"/console/v1/stops/{visit.stop}/override"

    def then(answer: Answer) -> None:
        stop = answer.json["stop"]
        h.truth.one_state(stop["id"], stop["version"], stop["state"], stop["proof"])
        if answer.status == 202:
            h.waiting.append(answer.json["id"])

    return Edit(f"overrides {_short(visit.stop)} to {to}", path, body, then=then)


async def confirm(h: History, crew: Crew) -> Edit:
    """Confirm an override as the second person, or override once more where none waits."""
    if not h.waiting:
        return await override(h, crew)
    id_ = h.waiting.pop()
    return Edit("confirms as a second person", f"/console/v1/overrides/{id_}/confirm", who=1)


async def reassign(h: History, crew: Crew) -> Edit:
    """Give a stop to the other driver of the depot."""
    visit = _a_visit(h, crew)
    to = h.dice.pick(h.depots.crews)
    h.truth.may_see(str(to.driver), str(visit.stop))
    path = f"/console/v1/stops/{visit.stop}/reassign"
    return Edit(f"reassigns {_short(visit.stop)}", path, {"route_id": str(to.route)})


async def resequence(h: History, crew: Crew) -> Edit:
    """Put a route into another order."""
    own = [str(v.stop) for v in h.depots.visits if v.crew is crew]
    path = f"/console/v1/routes/{crew.route}/resequence"
    return Edit("resequences a route", path, {"stop_ids": h.dice.some(own) if own else []})


async def new_code(h: History, crew: Crew) -> Edit:
    """Issue a new code for a door."""
    visit = _a_visit(h, crew)
    h.issues[visit.stop] = h.issues.get(visit.stop, 1) + 1
    told = f"issues a new code for {_short(visit.stop)}"
    return Edit(told, f"/console/v1/stops/{visit.stop}/code")


async def new_policy(h: History, _: Crew) -> Edit:
    """Make a new version of the history's own segment."""
    async with h.ground.db.snapshot() as tx:
        now = (await segments.current(tx, {h.depots.segment}))[h.depots.segment]
    body = {**policy_to_wire(now.policy), "geofence_m": h.dice.number(50, 400)}
    path = f"/console/v1/segments/{h.depots.segment}"
    return Edit("changes a policy", path, body, method="PUT")


async def publish(h: History, crew: Crew) -> Edit:
    """Release another route with a stop or two for a driver."""
    plan, ids = h.ids.new(), h.ids
    on = Crew(crew.driver, crew.depot, crew.vehicle, crew.shift, ids.new(), [])
    visits = [
        Visit(ids.new(), ids.new(), ids.new(), on, h.depots.segment, place + 1, plan)
        for place in range(h.dice.number(1, 2))
    ]
    await plan_one_more(h.ground.db, h.ground.keys.master, visits)
    h.depots.published += visits
    for visit in visits:
        h.truth.may_see(str(crew.driver), str(visit.stop))
    return Edit(f"releases {len(visits)} more stops", f"/console/v1/plans/{plan}/release")


async def revoke(h: History, crew: Crew) -> Edit:
    """Revoke a phone."""
    phone = h.dice.pick([phone for phone in h.phones if phone.driver == str(crew.driver)])
    path = f"/console/v1/devices/{phone.device}/revoke"

    def then(_: Answer) -> None:
        h.truth.revoked.add(phone.device)

    return Edit(f"revokes {h.name(phone)}", path, then=then)


_EDITS = {
    override: 6,
    confirm: 2,
    reassign: 6,
    resequence: 2,
    new_code: 2,
    new_policy: 1,
    publish: 2,
    revoke: 1,
}


def _short(id_: UUID) -> str:
    return f"stop {id_.hex[-4:]}"
