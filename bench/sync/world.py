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
from bench.sync.clone import EVENTS, STOPS, clone, in_time, key


@dataclass(frozen=True, slots=True)
class Template:
    """The driver whom the real server made; ``visited`` is the stop his phone told of."""

    driver: UUID
    device: UUID
    shift: UUID
    route: UUID
    visited: UUID


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
            await _history(connection, template, visits)
        await connection.execute("DROP TABLE crew, fresh")
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
            id=f"crew.{column}", entry=_leaf(f"crew.{column}", "1"), version="1", **of,
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
    await clone(
        connection, "consignment", "consignment s JOIN fresh f ON s.id = f.old_goods",
        id="f.goods", entry=_leaf("f.goods", "1"), **_somebody("f.goods"),
    )  # fmt: skip
    await clone(
        connection, "parcel", "parcel s JOIN fresh f ON s.consignment_id = f.old_goods",
        id=in_time("f.goods", "f.place"), consignment_id="f.goods", barcode=_barcode("f.goods"),
    )  # fmt: skip
    await clone(
        connection, "stop", "stop s JOIN fresh f ON s.id = f.old",
        id="f.stop", entry=_leaf("f.stop", "1"), version="1", route_id="f.route",
        consignment_id="f.goods", manifest_driver_id="f.driver",
    )  # fmt: skip
    await clone(
        connection, "stop_assignment", "stop_assignment s JOIN fresh f ON s.stop_id = f.old",
        stop_id="f.stop", driver_id="f.driver",
    )  # fmt: skip
    await clone(
        connection, "stop_event", "stop_event s JOIN fresh f ON s.stop_id = f.old",
        id=key("$$event$$", "f.stop"), stop_id="f.stop", entry=_leaf("f.stop", "1"),
    )  # fmt: skip
    for entity, new in (("stop", "f.stop"), ("consignment", "f.goods")):
        old = "f.old" if entity == "stop" else "f.old_goods"
        await clone(
            connection, "audit_entry",
            f"audit_entry s JOIN fresh f ON s.entity = '{entity}' AND s.entity_id = {old}::text",
            id=key("$$entry$$", new), entity_id=f"{new}::text", leaf_hash=_leaf(new, "s.n"),
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


async def _history(connection: asyncpg.Connection, template: Template, visits: int) -> None:
    """Let everyone have visited so many stops in the months before, one after the other."""
    number = "(i * (SELECT count(*) FROM crew) + c)"
    await connection.execute(
        f"CREATE TABLE past AS SELECT crew.*, i, {in_time('crew.route', number)} AS stop,"
        f" {in_time('crew.shift', number)} AS goods,"
        f" now() - interval '1 day' * (1 + ({visits} - i) / {STOPS}) AS at"
        f" FROM crew, generate_series(1, {visits}) AS i ORDER BY i, c"
    )
    await connection.execute(
        "CREATE TABLE told AS SELECT past.*, m.seq AS old_seq, m.n AS old_n, m.id AS old_id,"
        f" {in_time('past.device', f'past.i * {EVENTS} + m.n')} AS mutation"
        f" FROM past, mutation m WHERE m.device_id = '{template.device}'"
        " ORDER BY past.i, past.c, m.n"
    )
    await _past_stops(connection, template)
    await _past_events(connection, template)
    await connection.execute("DROP TABLE past, told")


async def _past_stops(connection: asyncpg.Connection, template: Template) -> None:
    of = f"WHERE s.id = '{template.visited}'"
    goods = f"consignment s JOIN stop o ON o.consignment_id = s.id AND o.id = '{template.visited}'"
    await clone(
        connection, "consignment", f"{goods}, past p",
        id="p.goods", entry=_leaf("p.goods", "s.version"), **_somebody("p.goods"),
        service_date="p.at::date", created_at="p.at",
    )  # fmt: skip
    await clone(
        connection, "parcel",
        "parcel s JOIN stop o ON o.consignment_id = s.consignment_id"
        f" AND o.id = '{template.visited}', past p",
        id=in_time("p.stop", "p.i"), consignment_id="p.goods",
        barcode=_barcode("p.goods"),
    )  # fmt: skip
    await clone(
        connection, "stop", f"stop s, past p {of}",
        id="p.stop", entry=_leaf("p.stop", "s.version"), route_id="p.route",
        consignment_id="p.goods", manifest_driver_id="NULL", closed_at="p.at",
    )  # fmt: skip
    await clone(
        connection, "stop_assignment",
        f"stop_assignment s, past p WHERE s.stop_id = '{template.visited}'",
        stop_id="p.stop", driver_id="p.driver", since="p.at", until="p.at",
    )  # fmt: skip
    await clone(
        connection, "feed",
        f"feed s, past p WHERE s.entity_id = '{template.visited}'"
        f" AND s.scope = 'driver:{template.driver}'",
        scope="'driver:' || p.driver", entity_id="p.stop::text", v="p.i", gone="true",
    )  # fmt: skip


async def _past_events(connection: asyncpg.Connection, template: Template) -> None:
    await clone(
        connection, "mutation", "mutation s JOIN told t ON s.seq = t.old_seq",
        device_id="t.device", driver_id="t.driver", n=f"(t.i - 1) * {EVENTS} + s.n",
        id="t.mutation", hash=_leaf("t.mutation", "0"), stop_id="t.stop", received_at="t.at",
    )  # fmt: skip
    entity = f"(s.entity = 'stop' AND s.entity_id = '{template.visited}')"
    await clone(
        connection, "audit_entry", f"audit_entry s, past p WHERE {entity}",
        id=in_time("p.stop", "p.i * 8 + s.n"), entity_id="p.stop::text",
        leaf_hash=_leaf("p.stop", "s.n"), actor_id="p.driver::text", at="p.at",
    )  # fmt: skip
    await clone(
        connection, "stop_event",
        f"stop_event s JOIN past p ON s.stop_id = '{template.visited}' LEFT JOIN told t"
        " ON t.old_id = s.mutation_id AND t.stop = p.stop",
        id=in_time("p.goods", "p.i * 8 + s.version"), stop_id="p.stop", device_id="p.device",
        mutation_id="t.mutation", happened="p.at", known="p.at", entry=_leaf("p.stop", "s.version"),
    )  # fmt: skip
    await clone(
        connection, "evidence_ref",
        "evidence_ref s JOIN told t ON s.mutation_id = t.old_id",
        mutation_id="t.mutation", sha256="encode(sha256(t.mutation::text::bytea), 'hex')",
        stop_id="t.stop", driver_id="t.driver",
    )  # fmt: skip
    await clone(
        connection, "evidence",
        f"evidence s, told t WHERE s.driver_id = '{template.driver}' AND t.old_id IN"
        " (SELECT mutation_id FROM evidence_ref)",
        id=in_time("t.device", "t.i"), entry=_leaf("t.mutation", "1"), driver_id="t.driver",
        sha256="encode(sha256(t.mutation::text::bytea), 'hex')", stop_id="t.stop",
        verified_at="t.at",
    )  # fmt: skip


async def _entries(
    connection: asyncpg.Connection, entity: str, old: UUID, new: str, source: str
) -> None:
    await clone(
        connection, "audit_entry",
        f"audit_entry s, {source} WHERE s.entity = '{entity}' AND s.entity_id = '{old}'"
        " AND s.n = 1",
        id=key("$$entry$$", new), entity_id=f"{new}::text", leaf_hash=_leaf(new, "1"),
    )  # fmt: skip


def _leaf(id_: str, n: str) -> str:
    return f"sha256(({id_}::text || '|' || {n})::bytea)"


def _barcode(goods: str) -> str:
    number = f"('x' || substr(md5({goods}::text), 1, 12))::bit(48)::bigint % 1000000000000"
    return f"'JD' || lpad(({number})::text, 12, '0')"


def _somebody(goods: str) -> dict[str, str]:
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
