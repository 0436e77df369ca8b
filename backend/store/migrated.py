"""Whether the database has the shape that this version of the code expects."""

import re
from functools import cache
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_SCRIPTS = Path(__file__).parents[2] / "migrations" / "versions"
_NAMED = re.compile(r'^(revision|down_revision)(?:: [^=]+)? = "(\w+)"$', re.MULTILINE)


async def is_current(tx: AsyncSession) -> bool:
    """Compare the database's revision with the newest migration beside the code."""
    if await tx.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return False
    found: object = await tx.scalar(text("SELECT version_num FROM alembic_version"))
    return found == newest()


@cache
def newest() -> str:
    """Return the migration that no other follows; read without Alembic, which is slow to load."""
    said = [pair for path in _SCRIPTS.glob("*.py") for pair in _NAMED.findall(path.read_text())]
    made: set[str] = {name for word, name in said if word == "revision"}
    followed = {name for word, name in said if word == "down_revision"}
    (head,) = made - followed
    return head
