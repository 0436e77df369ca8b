"""Segments: the policy as it is now, every version it ever had, and the rules that assign it."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from backend.tables.base import Audited, Row, UtcTime, audited


@audited
class Segment(Audited, table=True):
    """A segment; ``version`` is at once its policy's version and its count of log entries."""

    __tablename__ = "segment"
    __entity__ = "segment"

    code: str = Field(unique=True)
    policy: dict[str, Any] = Field(sa_type=JSONB)


class SegmentPolicy(Row, table=True):
    """A version of a policy, kept for ever: events are judged by the version the driver held."""

    __tablename__ = "segment_policy"

    code: str = Field(primary_key=True)
    version: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    policy: dict[str, Any] = Field(sa_type=JSONB)
    since: dt.datetime = Field(sa_type=UtcTime)


@audited
class SegmentRules(Audited, table=True):
    """The ordered rules by which a consignment without a segment gets one. One row."""

    __tablename__ = "segment_rules"
    __entity__ = "segment_rules"

    name: str = Field(unique=True)
    rules: list[Any] = Field(sa_type=JSONB)


class GazetteerPlace(Row, table=True):
    """A known address and where it is; keys are normalised by ``backend.intake.gazetteer``."""

    __tablename__ = "gazetteer_place"

    id: UUID = Field(primary_key=True)
    key: str = Field(index=True)
    country: str
    postcode: str
    city: str
    lat: float
    lon: float
