"""The months before: visited stops with what their drivers told, files, entries and tombstones."""

import asyncpg

from bench.sync.clone import EVENTS, STOPS, Template, barcode, clone, in_time, leaf, somebody


async def past_rounds(connection: asyncpg.Connection, template: Template, visits: int) -> None:
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
    # Tables that this transaction made have no statistics, and a plan without them is quadratic.
    await connection.execute("CREATE INDEX ON told (stop, old_id)")
    await connection.execute("ANALYZE past, told")
    await _past_stops(connection, template)
    await _past_events(connection, template)
    await connection.execute("DROP TABLE past, told")


async def _past_stops(connection: asyncpg.Connection, template: Template) -> None:
    of = f"WHERE s.id = '{template.visited}'"
    goods = f"consignment s JOIN stop o ON o.consignment_id = s.id AND o.id = '{template.visited}'"
    await clone(
        connection, "consignment", f"{goods}, past p",
        id="p.goods", entry=leaf("p.goods", "s.version"), **somebody("p.goods"),
        service_date="p.at::date", created_at="p.at",
    )  # fmt: skip
    await clone(
        connection, "parcel",
        "parcel s JOIN stop o ON o.consignment_id = s.consignment_id"
        f" AND o.id = '{template.visited}', past p",
        id=in_time("p.stop", "p.i"), consignment_id="p.goods",
        barcode=barcode("p.goods"),
    )  # fmt: skip
    await clone(
        connection, "stop", f"stop s, past p {of}",
        id="p.stop", entry=leaf("p.stop", "s.version"), route_id="p.route",
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
        id="t.mutation", hash=leaf("t.mutation", "0"), stop_id="t.stop", received_at="t.at",
    )  # fmt: skip
    entity = f"(s.entity = 'stop' AND s.entity_id = '{template.visited}')"
    await clone(
        connection, "audit_entry", f"audit_entry s, past p WHERE {entity}",
        id=in_time("p.stop", "p.i * 8 + s.n"), entity_id="p.stop::text",
        leaf_hash=leaf("p.stop", "s.n"), actor_id="p.driver::text", at="p.at",
    )  # fmt: skip
    await clone(
        connection, "stop_event",
        f"stop_event s JOIN past p ON s.stop_id = '{template.visited}' LEFT JOIN told t"
        " ON t.old_id = s.mutation_id AND t.stop = p.stop",
        id=in_time("p.goods", "p.i * 8 + s.version"), stop_id="p.stop", device_id="p.device",
        mutation_id="t.mutation", happened="p.at", known="p.at", entry=leaf("p.stop", "s.version"),
    )  # fmt: skip
    await clone(
        connection, "evidence_ref",
        "evidence_ref s JOIN told t ON s.mutation_id = t.old_id",
        mutation_id="t.mutation", sha256="encode(sha256(t.mutation::text::bytea), 'hex')",
        stop_id="t.stop", driver_id="t.driver",
    )  # fmt: skip
    await clone(
        connection, "evidence",
        "evidence s JOIN evidence_ref r ON r.sha256 = s.sha256 AND r.driver_id = s.driver_id"
        f" JOIN told t ON t.old_id = r.mutation_id WHERE s.driver_id = '{template.driver}'",
        id=in_time("t.device", "t.i"), entry=leaf("t.mutation", "1"), driver_id="t.driver",
        sha256="encode(sha256(t.mutation::text::bytea), 'hex')", stop_id="t.stop",
        verified_at="t.at",
    )  # fmt: skip
