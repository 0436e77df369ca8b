"""What all rows share: UTC times, enums as checked text, and the two columns of an audited row.

An audited row carries ``version`` (how many log entries speak of it) and ``entry`` (leaf hash of
the newest). A deferred foreign key to the log means that no transaction can commit a change of such
a row without its entry, whoever wrote the SQL; triggers in the migration hold the rest.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar, TypeVar
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKeyConstraint, LargeBinary, Table
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcTime(TypeDecorator[datetime]):
    """``timestamptz`` that refuses naive moments and gives back UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a moment without a zone: it would be read as the server's local time."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a moment without a time zone is no moment")
        return value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the moment back in UTC."""
        return None if value is None else value.astimezone(UTC)


def one_of(column: str, words: type[StrEnum]) -> CheckConstraint:
    """Check that a text column holds one of the enum's words."""
    quoted = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({quoted})", name=column)


class Row(SQLModel):
    """Base of every row."""

    __table__: ClassVar[Table]


class Audited(Row):
    """Base of rows that change only together with a log entry.

    ``__entity__`` is the entity's name in the log, ``__personal__`` the columns that appear there
    only as salted commitments, ``__quiet__`` those that do not appear at all (bulky derivations).
    """

    __entity__: ClassVar[str]
    __personal__: ClassVar[frozenset[str]] = frozenset()
    __quiet__: ClassVar[frozenset[str]] = frozenset()

    id: UUID = Field(primary_key=True)
    version: int = Field(default=0)
    entry: bytes | None = Field(default=None, sa_type=LargeBinary)


R = TypeVar("R", bound="Audited")

AUDITED: dict[str, type[Audited]] = {}


def audited(row: type[R]) -> type[R]:
    """Tie a row type to the log and list it among the guarded tables."""
    row.__table__.append_constraint(
        ForeignKeyConstraint(
            ["entry"], ["audit_entry.leaf_hash"], deferrable=True, initially="DEFERRED"
        )
    )
    AUDITED[row.__entity__] = row
    return row
