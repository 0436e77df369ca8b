"""Segments: look at the policies, make new versions, try one on the past; a new code for a door."""

from datetime import date, datetime
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post, put
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath

from backend.clock import parse_time, rfc3339
from backend.dispatch import segments
from backend.domain.people import Role
from backend.domain.segment import parse_policy, policy_to_wire
from backend.errors import InputError, NotFound
from backend.identity.people import SignedIn
from backend.store import proofs
from backend.store import segments as store
from backend.store.database import Database, Tx, moment
from backend.wire.json import InputInvalid, read_json
from pod.door import issue_door
from pod.service import findings_to_wire
from pod.simulate import Sample, simulate
from web.paging import Page
from web.paths import the_id
from web.scope import must_see_stop


class SegmentOut(msgspec.Struct, frozen=True):
    """A segment as it is now."""

    code: str
    version: int
    since: str
    policy: dict[str, object]


class SimulateIn(msgspec.Struct, frozen=True):
    """A policy to try on a period; times, or dates meant in UTC."""

    policy: dict[str, object]
    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")


class SampleOut(msgspec.Struct, frozen=True):
    """A visit that the policy would have refused, and how its proof stands in truth."""

    stop_id: UUID
    state: str
    proof: str
    findings: list[dict[str, str]]


class SimulationOut(msgspec.Struct, frozen=True):
    """What the policy would have done. ``refused`` counts visits, ``findings`` their reasons."""

    judged: int
    refused: int
    states: dict[str, int]
    findings: dict[str, int]
    samples: list[SampleOut]
    complete: bool


class SegmentController(Controller):
    """Segments and doors."""

    @get("/segments", operation_id="listSegments")
    async def listed(
        self, db: NamedDependency[Database], person: NamedDependency[SignedIn]
    ) -> Page[SegmentOut]:
        """List the segments with their present policies."""
        del person
        async with db.snapshot() as tx:
            return Page([_out(item) for item in await store.listed(tx)])

    @put("/segments/{code:str}", operation_id="changeSegment")
    async def change(
        self,
        request: Request[None, None, State],
        code: FromPath[str],
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
    ) -> SegmentOut:
        """Make a new version; what is already released keeps the version it was released with."""
        person.must_be(Role.SUPERVISOR)
        await _must_exist(db, code)
        policy = parse_policy(await read_json(request, dict[str, object]))
        async with db.begin() as tx:
            version = await segments.change(tx, person.actor, code, policy)
            since = rfc3339(moment(tx))
        return SegmentOut(code, version, since, policy_to_wire(policy))

    @post(
        "/segments/{code:str}/simulate",
        status_code=200,
        operation_id="simulateSegment",
        opt={"body": SimulateIn},
    )
    async def simulate(
        self,
        request: Request[None, None, State],
        code: FromPath[str],
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
    ) -> SimulationOut:
        """Tell what a policy would have refused in a period, with samples."""
        person.must_be(Role.SUPERVISOR, Role.COMPLIANCE)
        await _must_exist(db, code)
        asked = await read_json(request, SimulateIn)
        policy = parse_policy(asked.policy, "/policy")
        start, end = _moment("/from", asked.start), _moment("/to", asked.end)
        async with db.snapshot() as tx:
            done = await simulate(tx, code, policy, start, end, depots=person.scope)
        return SimulationOut(
            done.judged,
            done.states.get("refused", 0),
            done.states,
            done.findings,
            [_sample(sample) for sample in done.samples],
            done.complete,
        )

    @post("/stops/{stop_id:str}/code", status_code=204, operation_id="issueCode")
    async def issue(
        self,
        stop_id: FromPath[str],
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
    ) -> Response[None]:
        """Issue a new code and door token; the customer's page shows them, the old ones die."""
        person.must_be(Role.SUPERVISOR)
        async with db.begin() as tx:
            await must_see_stop(tx, person, the_id(stop_id))
            await _issue(tx, person, the_id(stop_id))
        return Response(None, status_code=204)


async def _must_exist(db: Database, code: str) -> None:
    async with db.snapshot() as tx:
        if "\0" in code or code not in await store.current(tx, [code]):
            raise segments.SegmentNotFound


async def _issue(tx: Tx, person: SignedIn, stop_id: UUID) -> None:
    stop = await proofs.lock_stop(tx, stop_id)
    if stop is None:
        raise NotFound
    policy = await store.policy(tx, stop.segment, stop.policy_version)
    await issue_door(tx, person.actor, stop, policy)


def _out(item: store.Listed) -> SegmentOut:
    segment = item.segment
    wire = policy_to_wire(segment.policy)
    return SegmentOut(segment.code, segment.version, rfc3339(item.since), wire)


def _sample(sample: Sample) -> SampleOut:
    findings = findings_to_wire(sample.findings)
    return SampleOut(sample.stop_id, sample.outcome, sample.proof, findings)


def _moment(pointer: str, text: str) -> datetime:
    """Read a time with its offset, or a date as its first moment in UTC."""
    try:
        return parse_time(text if "T" in text else f"{date.fromisoformat(text)}T00:00:00Z")
    except ValueError as error:
        fault = InputError(pointer, "wrong_format", "an RFC 3339 time, or a date")
        raise InputInvalid(errors=[fault]) from error
