"""Drivers with phones and manifests of 150 stops, and the history behind them.

One driver is made by the real server and his phone. Everybody else is a copy of him with ids, names
and places of their own. Foreign keys and triggers are off while copies are made; what they would
check holds by construction.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from backend.identity import access
from backend.keys import Keys
from bench.sync.clone import EVENTS, Template, barcode, clone, in_time, key, leaf, somebody
from bench.sync.history import past_rounds


@dataclass(slots=True)
class Device:
    """A phone that is measured: how it calls, what it visits, where it stands."""

    id: UUID
    driver: UUID
    head: bytes
    stops: list[str]
    base: int
    n: int
    parcels: list[str]
    cursor: str | None = None


async def populate(
    connection: asyncpg.Connection, template: Template, name: str, devices: int, past: int
) -> None:
    """Add a cohort of drivers with manifests, who share so many past mutations."""
    visits = past // devices // EVENTS
    async with connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("SET LOCAL synchronous_commit = off")
        await _fleet(connection, template, name, devices, visits)
        await _manifests(connection, template)
        if visits:
            await past_rounds(connection, template, visits)
        await connection.execute("DROP TABLE crew, fresh")


async def tidy(connection: asyncpg.Connection) -> None:
    """Leave the database as autovacuum and time would, so that neither falls into a measurement."""
    await connection.execute("VACUUM ANALYZE")
    await connection.execute("CHECKPOINT")


async def _fleet(
    connection: asyncpg.Connection, template: Template, name: str, devices: int, visits: int
) -> None:
    await connection.execute(
        f"CREATE TABLE crew AS SELECT c, {key('$$driver$$', f'$${name}$$', 'c')} AS driver,"
        f" {key('$$device$$', f'$${name}$$', 'c')} AS device,"
        f" {key('$$shift$$', f'$${name}$$', 'c')} AS shift,"
        f" {key('$$route$$', f'$${name}$$', 'c')} AS route, {visits}::bigint AS visits"
        f" FROM generate_series(1, {devices}) AS c"
    )
    for table, id_, column in (
        ("driver", template.driver, "driver"),
        ("device", template.device, "device"),
        ("shift", template.shift, "shift"),
        ("route", template.route, "route"),
    ):
        whose = {"driver_id": "driver", "manifest_driver_id": "driver", "shift_id": "shift"}
        of = {} if table == "driver" else {k: f"crew.{v}" for k, v in whose.items()}
        await clone(
            connection, table, f"{table} s, crew WHERE s.id = '{id_}'",
            id=f"crew.{column}", entry=leaf(f"crew.{column}", "1"), version="1", **of,
        )  # fmt: skip
        await _entries(connection, table, id_, f"crew.{column}", "crew")
    await clone(
        connection, "device_journal",
        f"device_journal s, crew WHERE s.device_id = '{template.device}'",
        device_id="crew.device", acked_n=f"crew.visits * {EVENTS}",
    )  # fmt: skip
    await clone(
        connection, "route_assignment",
        f"route_assignment s, crew WHERE s.route_id = '{template.route}'",
        route_id="crew.route", driver_id="crew.driver",
    )  # fmt: skip


async def _manifests(connection: asyncpg.Connection, template: Template) -> None:
    """Give everyone the template's stops that are still ahead, each at a door of its own."""
    await connection.execute(
        "CREATE TABLE fresh AS SELECT crew.*, s.id AS old, s.consignment_id AS old_goods,"
        f" {in_time('crew.driver', 's.sequence')} AS stop,"
        f" {in_time('crew.device', 's.sequence')} AS goods, s.sequence AS place"
        f" FROM stop s, crew WHERE s.route_id = '{template.route}' AND s.id <> '{template.visited}'"
    )
    await connection.execute("ANALYZE crew, fresh")
    await clone(
        connection, "consignment", "consignment s JOIN fresh f ON s.id = f.old_goods",
        id="f.goods", entry=leaf("f.goods", "1"), **somebody("f.goods"),
    )  # fmt: skip
    await clone(
        connection, "parcel", "parcel s JOIN fresh f ON s.consignment_id = f.old_goods",
        id=in_time("f.shift", "f.place"), consignment_id="f.goods", barcode=barcode("f.goods"),
    )  # fmt: skip
    await clone(
        connection, "stop", "stop s JOIN fresh f ON s.id = f.old",
        id="f.stop", entry=leaf("f.stop", "1"), version="1", route_id="f.route",
        consignment_id="f.goods", manifest_driver_id="f.driver",
    )  # fmt: skip
    await clone(
        connection, "stop_assignment", "stop_assignment s JOIN fresh f ON s.stop_id = f.old",
        stop_id="f.stop", driver_id="f.driver",
    )  # fmt: skip
    await clone(
        connection, "stop_event", "stop_event s JOIN fresh f ON s.stop_id = f.old",
        id=key("$$event$$", "f.stop"), stop_id="f.stop", entry=leaf("f.stop", "1"),
    )  # fmt: skip
    for entity, new in (("stop", "f.stop"), ("consignment", "f.goods")):
        old = "f.old" if entity == "stop" else "f.old_goods"
        await clone(
            connection, "audit_entry",
            f"audit_entry s JOIN fresh f ON s.entity = '{entity}' AND s.entity_id = {old}::text",
            id=key("$$entry$$", new), entity_id=f"{new}::text", leaf_hash=leaf(new, "s.n"),
        )  # fmt: skip
    await _feeds(connection, template)


async def _feeds(connection: asyncpg.Connection, template: Template) -> None:
    scope = f"driver:{template.driver}"
    mine, v = "'driver:' || crew.driver", "crew.visits + 1"
    await clone(connection, "scope", f"scope s, crew WHERE s.id = '{scope}'", id=mine, v=v)
    await clone(
        connection, "feed", f"feed s, crew WHERE s.scope = '{scope}' AND s.type <> 'stop'",
        scope=mine, v=v,
        entity_id="CASE s.type WHEN 'route' THEN crew.route::text ELSE s.entity_id END",
    )  # fmt: skip
    await clone(
        connection, "feed",
        f"feed s JOIN fresh f ON s.scope = '{scope}' AND s.type = 'stop'"
        " AND s.entity_id = f.old::text",
        scope="'driver:' || f.driver", entity_id="f.stop::text", v="f.visits + 1",
    )  # fmt: skip


async def _entries(
    connection: asyncpg.Connection, entity: str, old: UUID, new: str, source: str
) -> None:
    await clone(
        connection, "audit_entry",
        f"audit_entry s, {source} WHERE s.entity = '{entity}' AND s.entity_id = '{old}'"
        " AND s.n = 1",
        id=key("$$entry$$", new), entity_id=f"{new}::text", leaf_hash=leaf(new, "1"),
    )  # fmt: skip


async def phones(
    connection: asyncpg.Connection, keys: Keys, port: int, name: str, count: int
) -> list[Device]:
    """Return the phones of a cohort, signed in."""
    rows = await connection.fetch(
        "SELECT d.id, d.driver_id, j.acked_n FROM generate_series(1, $2) AS c JOIN device d"
        f" ON d.id = {key('$$device$$', '$1::text', 'c')}"
        " JOIN device_journal j ON j.device_id = d.id",
        name,
        count,
    )
    return [await _phone(connection, keys, port, row) for row in rows]


async def _phone(
    connection: asyncpg.Connection, keys: Keys, port: int, row: asyncpg.Record
) -> Device:
    stops = await connection.fetch(
        "SELECT s.id, s.version, p.id AS parcel FROM stop s JOIN parcel p"
        " ON p.consignment_id = s.consignment_id"
        " WHERE s.manifest_driver_id = $1 ORDER BY s.sequence",
        row["driver_id"],
    )
    token = access.issue(keys, row["id"], datetime.now(UTC)).token
    head = (
        f"POST /driver/v1/sync HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    )
    return Device(
        id=row["id"], driver=row["driver_id"], head=head.encode(),
        stops=[str(stop["id"]) for stop in stops], base=stops[0]["version"], n=row["acked_n"],
        parcels=[str(stop["parcel"]) for stop in stops],
    )  # fmt: skip
