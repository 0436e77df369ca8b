"""Stops, what happened at them, their door, and what the control room overrode."""

import datetime as dt
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, false, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from backend.domain.stop import ProofState, StopState
from backend.tables.base import Audited, Row, UtcTime, audited, one_of


@audited
class Stop(Audited, table=True):
    """One planned visit of one consignment.

    ``manifest_driver_id`` is set while the stop is on a driver's manifest; the feed follows it.
    ``policy_version`` is the segment's policy at release. ``door_issue`` numbers the issued codes
    (0: none yet); code and token are derived from it and a key outside the database.
    """

    __tablename__ = "stop"
    __table_args__ = (
        one_of("state", StopState),
        one_of("proof", ProofState),
        Index("ix_stop_route", "route_id", "sequence"),
        Index("ix_stop_manifest", "manifest_driver_id"),
        Index(
            "ix_stop_evidence_due", "evidence_due_at", postgresql_where=text("proof = 'awaited'")
        ),
        CheckConstraint("window_start < window_end", name="window"),
        CheckConstraint("attempt >= 1", name="attempt"),
    )
    __entity__ = "stop"
    __personal__ = frozenset({"recipient"})

    route_id: UUID = Field(foreign_key="route.id")
    consignment_id: UUID = Field(foreign_key="consignment.id", index=True)
    manifest_driver_id: UUID | None = Field(default=None, foreign_key="driver.id")
    sequence: int
    state: str
    proof: str
    attempt: int
    segment: str
    policy_version: int
    priority: int
    eta: dt.datetime = Field(sa_type=UtcTime)
    window_start: dt.datetime = Field(sa_type=UtcTime)
    window_end: dt.datetime = Field(sa_type=UtcTime)
    service_s: int
    pinned: bool = False
    door_issue: int = 0
    door_expires_at: dt.datetime | None = Field(default=None, sa_type=UtcTime)
    method: str | None = None
    reason: str | None = None
    recipient: str | None = None
    arrived_at: dt.datetime | None = Field(default=None, sa_type=UtcTime)
    closed_at: dt.datetime | None = Field(default=None, sa_type=UtcTime)
    closed_by: UUID | None = None  # the stop_event that closed it
    evidence_due_at: dt.datetime | None = Field(default=None, sa_type=UtcTime)


class StopAssignment(Row, table=True):
    """Who ever held a stop: a fact binds to the assignment it names, never to the current one."""

    __tablename__ = "stop_assignment"

    stop_id: UUID = Field(primary_key=True, foreign_key="stop.id")
    driver_id: UUID = Field(primary_key=True, foreign_key="driver.id")
    since: dt.datetime = Field(sa_type=UtcTime)
    until: dt.datetime | None = Field(default=None, sa_type=UtcTime)


class RouteAssignment(Row, table=True):
    """Who ever held a route."""

    __tablename__ = "route_assignment"

    route_id: UUID = Field(primary_key=True, foreign_key="route.id")
    driver_id: UUID = Field(primary_key=True, foreign_key="driver.id")


class StopEvent(Row, table=True):
    """An event on a stop's timeline, with both clocks: when it happened and when it was known.

    ``kind`` is a mutation kind for drivers' facts and the entry's action for everything else;
    ``source`` is the actor's type. ``version`` is the stop's version after it. ``bounded`` is
    whether our own clocks bound when it happened. ``device_wall`` is what the phone's own clock
    showed, right or wrong.
    """

    __tablename__ = "stop_event"
    __table_args__ = (Index("ix_stop_event_stop", "stop_id", "version"),)

    id: UUID = Field(primary_key=True)
    stop_id: UUID = Field(foreign_key="stop.id")
    version: int
    kind: str
    source: str
    actor_id: str
    device_id: UUID | None = None
    mutation_id: UUID | None = Field(default=None, index=True)
    outcome: str
    policy_version: int | None = None
    happened: dt.datetime = Field(sa_type=UtcTime)
    uncertainty_ms: int | None = None
    bounded: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    known: dt.datetime = Field(sa_type=UtcTime)
    device_wall: dt.datetime | None = Field(default=None, sa_type=UtcTime)
    body: dict[str, Any] = Field(sa_type=JSONB)
    fix: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    findings: list[Any] = Field(sa_type=JSONB)
    evidence: list[Any] = Field(sa_type=JSONB)
    entry: bytes | None = Field(default=None, sa_type=LargeBinary)


class Door(Row, table=True):
    """Guesses at a stop's door, counted for life; what spent its code or token."""

    __tablename__ = "door"
    __table_args__ = (CheckConstraint("wrong_tries BETWEEN 0 AND 5", name="wrong_tries"),)

    stop_id: UUID = Field(primary_key=True, foreign_key="stop.id")
    wrong_tries: int = 0
    spent_at: dt.datetime | None = Field(default=None, sa_type=UtcTime)
    spent_by: str | None = None
    spent_means: str | None = None  # code or door_token


class OverrideState(StrEnum):
    """How far an override got."""

    AWAITING_SECOND = "awaiting_second"
    DONE = "done"


@audited
class Override(Audited, table=True):
    """A supervisor's override of a stop, and the second person where the segment asks for one."""

    __tablename__ = "override"
    __table_args__ = (
        CheckConstraint("confirmed_by IS DISTINCT FROM requested_by", name="second_person"),
        Index("uq_override_idempotency", "requested_by", "idempotency_key", unique=True),
    )
    __entity__ = "override"
    __personal__ = frozenset({"note"})

    stop_id: UUID = Field(foreign_key="stop.id", index=True)
    state: str
    to_state: str
    proof: str | None = None
    reason: str
    note: str
    idempotency_key: str
    requested_by: UUID = Field(foreign_key="person.id")
    confirmed_by: UUID | None = Field(default=None, foreign_key="person.id")
    requested_at: dt.datetime = Field(sa_type=UtcTime)
