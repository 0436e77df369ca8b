"""People of the control room and their sessions."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from backend.domain.people import Role
from backend.tables.base import Audited, Row, UtcTime, audited, one_of


@audited
class Person(Audited, table=True):
    """Somebody who signs in. ``depots`` are codes; an empty list means none, admins see all."""

    __tablename__ = "person"
    __table_args__ = (one_of("role", Role),)
    __entity__ = "person"
    __personal__ = frozenset({"email"})
    __quiet__ = frozenset({"password_hash"})

    email: str = Field(unique=True)
    role: str
    depots: list[str] = Field(sa_type=JSONB)
    password_hash: str


class Session(Row, table=True):
    """A signed-in session, by the hash of its token."""

    __tablename__ = "session"

    token_hash: bytes = Field(primary_key=True, sa_type=LargeBinary)
    person_id: UUID = Field(foreign_key="person.id")
    csrf: str
    expires_at: datetime = Field(sa_type=UtcTime)
