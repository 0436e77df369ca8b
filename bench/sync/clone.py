"""Rows multiplied inside the database: copies of true ones, with other ids.

What a copy does not override it takes from a row that the real server wrote, so seeded tables look
as if phones and planners had filled them, whatever columns they have by now.
"""

from dataclasses import dataclass
from uuid import UUID

import asyncpg

STOPS = 150
EVENTS = 4  # what the template's phone told of its visited stop


@dataclass(frozen=True, slots=True)
class Template:
    """The driver whom the real server made; ``visited`` is the stop his phone told of."""

    driver: UUID
    device: UUID
    shift: UUID
    route: UUID
    visited: UUID


def key(*parts: str) -> str:
    """SQL of an id that nobody else has: a digest of its parts."""
    return f"md5(concat_ws('|', {', '.join(parts)}))::uuid"


def in_time(tag: str, number: str) -> str:
    """SQL of an id that grows with ``number`` and shares its noise with all of its tag.

    So do ids that a server makes within a second.
    """
    noise = f"md5({tag}::text)"
    return (
        f"(lpad(to_hex(1700000000000 + ({number})), 12, '0') || '7' || substr({noise}, 1, 3)"
        f" || '8' || substr({noise}, 4, 15))::uuid"
    )


def leaf(id_: str, n: str) -> str:
    """SQL of the hash of an entry."""
    return f"sha256(({id_}::text || '|' || {n})::bytea)"


def barcode(goods: str) -> str:
    """SQL of what is printed on a parcel."""
    number = f"('x' || substr(md5({goods}::text), 1, 12))::bit(48)::bigint % 1000000000000"
    return f"'JD' || lpad(({number})::text, 12, '0')"


def somebody(goods: str) -> dict[str, str]:
    """SQL of people and places that differ, so that a manifest is not compressed by sameness."""
    part = f"('x' || substr(md5({goods}::text), 1, 8))::bit(32)::bigint"
    first = "(ARRAY['Ada','Edgar','Grace','Amara','Wu','Ines','Olu','Kim','Rosa','Theo'])"
    last = "(ARRAY['Poe','Hopper','Okafor','Lovelace','Mbeki','Chen','Silva','Novak','Braun'])"
    street = "(ARRAY['Amity St','Fayette St','Pratt St','Light St','Charles St','Eutaw St'])"
    return {
        "reference": f"'R-' || substr(md5({goods}::text), 1, 16)",
        "recipient_name": f"{first}[1 + {part} % 10] || ' ' || {last}[1 + ({part} / 10) % 9]",
        "recipient_phone": f"'+1410555' || lpad((({part} / 100) % 10000)::text, 4, '0')",
        "address_lines": f"jsonb_build_array({part} % 900 || ' ' || {street}[1 + {part} % 6])",
        "postcode": f"'212' || lpad((({part} / 7) % 100)::text, 2, '0')",
        "lat": f"round((39.2 + ({part} % 99991) / 500000.0)::numeric, 6)",
        "lon": f"round((-76.7 + ({part} % 99971) / 400000.0)::numeric, 6)",
        "content_hash": f"sha256({goods}::text::bytea)",
        "tracking_hash": f"sha256(('t' || {goods})::bytea)",
    }


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
