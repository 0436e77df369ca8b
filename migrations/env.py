"""How a migration runs: on one connection, alone (advisory lock), a transaction for each step."""

import asyncio
import importlib
import pkgutil
from typing import TYPE_CHECKING, Literal

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

from backend import tables

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

ALONE = 0x_D0_07_57_E9  # any number, the same for everybody who migrates


def render(kind: str, thing: object, autogen: "AutogenContext") -> str | Literal[False]:
    """Write types in SQLAlchemy's words, so that old migrations never need the application."""
    if kind != "type":
        return False
    from sqlalchemy import DateTime, String, types
    from sqlalchemy.dialects import postgresql

    if isinstance(thing, types.TypeDecorator):
        thing = thing.impl
    if isinstance(thing, postgresql.JSONB):
        autogen.imports.add("from sqlalchemy.dialects import postgresql")
        return "postgresql.JSONB()"
    if isinstance(thing, DateTime):
        return "sa.DateTime(timezone=True)"
    if isinstance(thing, String) and not isinstance(thing, types.Enum):
        return f"sa.{'Text' if thing.length is None else f'String({thing.length})'}" + (
            "()" if thing.length is None else ""
        )
    return False


def is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Leave partitions out of the comparison: they come and go with the months."""
    return kind != "table" or name is None or not name.startswith("position_")


def migrate(connection: Connection) -> None:
    """Run what was asked for on this connection."""
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        transaction_per_migration=True,
        compare_type=True,
        compare_server_default=True,
        render_item=render,
        include_name=is_ours,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run() -> None:
    """Open the connection and wait for our turn."""
    engine = create_async_engine(context.config.attributes["url"])
    async with engine.connect() as connection:
        await connection.execute(text(f"SELECT pg_advisory_lock({ALONE})"))
        await connection.commit()
        try:
            await connection.run_sync(migrate)
            await connection.commit()
        finally:
            await connection.rollback()
            await connection.execute(text(f"SELECT pg_advisory_unlock({ALONE})"))
            await connection.commit()
    await engine.dispose()


for found in pkgutil.iter_modules(tables.__path__, "backend.tables."):
    importlib.import_module(found.name)
asyncio.run(run())
