"""Rows multiplied inside the database: copies of true ones, with other ids.

What a copy does not override it takes from a row that the real server wrote, so seeded tables look
as if phones and planners had filled them, whatever columns they have by now.
"""

import asyncpg

STOPS = 150
EVENTS = 4  # what the template's phone told of its visited stop


def key(*parts: str) -> str:
    """SQL of an id that nobody else has: a digest of its parts."""
    return f"md5(concat_ws('|', {', '.join(parts)}))::uuid"


def in_time(tag: str, number: str) -> str:
    """SQL of an id that grows with ``number``, as ids that a server makes do."""
    noise = f"md5(concat_ws('|', {tag}, {number}))"
    return (
        f"(lpad(to_hex(1700000000000 + ({number})), 12, '0') || '7' || substr({noise}, 1, 3)"
        f" || '8' || substr({noise}, 4, 15))::uuid"
    )


async def clone(connection: asyncpg.Connection, table: str, source: str, **overrides: str) -> None:
    """Insert a copy of ``s`` (a row of the table) for each row of ``source``."""
    names = await connection.fetch(
        "SELECT column_name AS name FROM information_schema.columns WHERE table_name = $1"
        " AND table_schema = 'public' AND is_identity = 'NO' AND is_generated = 'NEVER'"
        " ORDER BY ordinal_position",
        table,
    )
    columns = ", ".join(f'"{row["name"]}"' for row in names)
    values = ", ".join(overrides.get(row["name"], f's."{row["name"]}"') for row in names)
    await connection.execute(f"INSERT INTO {table} ({columns}) SELECT {values} FROM {source}")
