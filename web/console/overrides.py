"""Override a stop, confirm as the second person, and the reasons that justify either."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from msgspec import Meta

from backend.dispatch import override
from backend.domain.people import Role
from backend.domain.reasons import EXCEPTION_REASONS, OVERRIDE_REASONS
from backend.domain.stop import StopState
from backend.errors import InputError, Malformed
from backend.identity.people import SignedIn
from backend.store import dispatch as store
from backend.store.database import Database, Tx
from backend.tables.stops import OverrideState
from backend.wire.json import read_json
from pod.service import settle
from web.paging import Page
from web.paths import the_id
from web.scope import must_see_stop

_TEXT = r"^[^\x00]*$"


class OverrideIn(msgspec.Struct, frozen=True):
    """What a supervisor wants a stop to become, and why."""

    to: Literal["delivered", "failed", "cancelled", "released"]
    reason: Annotated[str, Meta(max_length=100, pattern=_TEXT)]
    note: Annotated[str, Meta(min_length=10, max_length=1_000, pattern=_TEXT)]
    idempotency_key: Annotated[str, Meta(min_length=1, max_length=200, pattern=_TEXT)]
    proof: Literal["waived"] | None = None


class StopOut(msgspec.Struct, frozen=True):
    """A stop after an override."""

    id: UUID
    version: int
    state: str
    proof: str


class OverrideOut(msgspec.Struct, frozen=True):
    """An override, and the stop as it is now."""

    id: UUID
    state: str
    stop: StopOut


class ReasonOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A reason: an override's names the ends it justifies, a driver's what it needs."""

    code: str
    label: str
    to: list[str] | None = None
    needs: list[str] | None = None


class ReasonsUnknown(Malformed):
    """There are reasons for overrides and for exceptions."""

    code = "reasons_unknown"
    title = "There are no reasons for that"


class OverrideController(Controller):
    """Overrides."""

    @get("/reasons", operation_id="listReasons")
    async def reasons(
        self,
        person: NamedDependency[SignedIn],
        purpose: Annotated[str, QueryParameter(name="for")] = "override",
    ) -> Page[ReasonOut]:
        """List the reasons for ``override`` (or ``exception``, as drivers name them)."""
        del person
        if purpose == "override":
            return Page(
                [ReasonOut(r.code, r.label, to=list(r.to)) for r in OVERRIDE_REASONS.values()]
            )
        if purpose == "exception":
            return Page(
                [
                    ReasonOut(r.code, r.label, needs=[need.value for need in r.needs])
                    for r in EXCEPTION_REASONS.values()
                ]
            )
        told = InputError("/for", "unknown_value", "one of override, exception")
        raise ReasonsUnknown(errors=[told])

    @post("/stops/{stop_id:str}/override", operation_id="overrideStop", opt={"body": OverrideIn})
    async def override_stop(
        self,
        request: Request[None, None, State],
        stop_id: FromPath[str],
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
    ) -> Response[OverrideOut]:
        """Override a stop; 202 where the segment asks for a second person."""
        person.must_be(Role.SUPERVISOR)
        stop = the_id(stop_id)
        async with db.snapshot() as tx:
            await must_see_stop(tx, person, stop)
        asked = await read_json(request, OverrideIn)
        return _answer(await make_override(db, person, stop, asked))

    @post("/overrides/{override_id:str}/confirm", operation_id="confirmOverride")
    async def confirm(
        self,
        override_id: FromPath[str],
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
    ) -> Response[OverrideOut]:
        """Confirm an override that another supervisor asked for; confirming again is harmless."""
        person.must_be(Role.SUPERVISOR)
        return _answer(await confirm_override(db, person, the_id(override_id)))


async def make_override(
    db: Database, person: SignedIn, stop_id: UUID, asked: OverrideIn
) -> override.Overridden:
    """Override a stop that is in the person's scope, and judge what proof it leaves behind."""
    wish = override.Asked(
        StopState(asked.to), asked.proof, asked.reason, asked.note, asked.idempotency_key
    )
    async with db.begin() as tx:
        done = await override.override_stop(tx, person.actor, person.id, stop_id, wish)
        await _settle(tx, person, done)
        return done


async def confirm_override(
    db: Database, person: SignedIn, override_id: UUID
) -> override.Overridden:
    """Confirm an override whose stop is in the person's scope."""
    async with db.begin() as tx:
        stop_id = await store.override_stop_id(tx, override_id)
        await must_see_stop(tx, person, stop_id)
        done = await override.confirm(tx, person.actor, person.id, override_id)
        await _settle(tx, person, done)
        return done


async def _settle(tx: Tx, person: SignedIn, done: override.Overridden) -> None:
    if done.state is OverrideState.DONE:
        await settle(tx, person.actor, done.stop.id, cause=f"override {done.id}")


def _answer(done: override.Overridden) -> Response[OverrideOut]:
    stop = StopOut(done.stop.id, done.stop.version, done.stop.state, done.stop.proof)
    waits = done.state is OverrideState.AWAITING_SECOND
    return Response(OverrideOut(done.id, done.state.value, stop), status_code=202 if waits else 200)
