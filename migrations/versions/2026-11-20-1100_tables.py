"""Every table, from empty.

Revision ID: 202611201100
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "202611201100"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_checkpoint",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_audit_checkpoint")),
    )
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.Column("entity", sa.String(), nullable=False),
        sa.Column("entity_id", sa.String(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("actor_type", sa.String(), nullable=False),
        sa.Column("actor_id", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
        sa.UniqueConstraint("leaf_hash", name=op.f("uq_audit_entry_leaf_hash")),
    )
    op.create_index("ix_audit_entry_actor", "audit_entry", ["actor_id", "at"], unique=False)
    op.create_index("ix_audit_entry_at", "audit_entry", ["at", "id"], unique=False)
    op.create_index("uq_audit_entry_n", "audit_entry", ["entity", "entity_id", "n"], unique=True)
    op.create_table(
        "audit_tree",
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("origin", name=op.f("pk_audit_tree")),
    )
    op.create_table(
        "feed",
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("entity_id", sa.String(), nullable=False),
        sa.Column("v", sa.BigInteger(), nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "type", "entity_id", name=op.f("pk_feed")),
    )
    op.create_index(
        "ix_feed_present",
        "feed",
        ["scope", "v"],
        unique=False,
        postgresql_where=sa.text("NOT gone"),
    )
    op.create_index("ix_feed_scope_v", "feed", ["scope", "v"], unique=False)
    op.create_table(
        "gazetteer_place",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("country", sa.String(), nullable=False),
        sa.Column("postcode", sa.String(), nullable=False),
        sa.Column("city", sa.String(), nullable=False),
        sa.Column("lat", sa.Float(), nullable=False),
        sa.Column("lon", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gazetteer_place")),
    )
    op.create_index(op.f("ix_gazetteer_place_key"), "gazetteer_place", ["key"], unique=False)
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    op.create_table(
        "leader_lease",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leader_lease")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=True),
        sa.Column("payload", sa.String(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index(op.f("ix_outbox_due_at"), "outbox", ["due_at"], unique=False)
    op.create_table(
        "scope",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("v", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scope")),
    )
    op.create_table(
        "segment_policy",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("policy", postgresql.JSONB(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("code", "version", name=op.f("pk_segment_policy")),
    )
    op.create_table(
        "try_window",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_try_window")),
    )
    op.create_table(
        "audit_leaf",
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["audit_entry.id"], name=op.f("fk_audit_leaf_entry_id")
        ),
        sa.PrimaryKeyConstraint("index", name=op.f("pk_audit_leaf")),
        sa.UniqueConstraint("entry_id", name=op.f("uq_audit_leaf_entry_id")),
    )
    op.create_table(
        "audit_opening",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("entity", sa.String(), nullable=False),
        sa.Column("entity_id", sa.String(), nullable=False),
        sa.Column("openings", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["audit_entry.id"], name=op.f("fk_audit_opening_entry_id")
        ),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_audit_opening")),
    )
    op.create_index(
        op.f("ix_audit_opening_entity_id"), "audit_opening", ["entity_id"], unique=False
    )
    op.create_table(
        "audit_pending",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("quarantined", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["audit_entry.id"], name=op.f("fk_audit_pending_entry_id")
        ),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_audit_pending")),
    )
    op.create_table(
        "depot",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=True),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("lat", sa.Float(), nullable=False),
        sa.Column("lon", sa.Float(), nullable=False),
        sa.Column("timezone", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry"],
            ["audit_entry.leaf_hash"],
            name=op.f("fk_depot_entry"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_depot")),
        sa.UniqueConstraint("code", name=op.f("uq_depot_code")),
    )
    op.create_table(
        "person",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=True),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("depots", postgresql.JSONB(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=False),
        sa.CheckConstraint(
            "role IN ('supervisor', 'compliance', 'admin')", name=op.f("ck_person_role")
        ),
        sa.ForeignKeyConstraint(
            ["entry"],
            ["audit_entry.leaf_hash"],
            name=op.f("fk_person_entry"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("email", name=op.f("uq_person_email")),
    )
    op.create_table(
        "segment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=True),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("policy", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry"],
            ["audit_entry.leaf_hash"],
            name=op.f("fk_segment_entry"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_segment")),
        sa.UniqueConstraint("code", name=op.f("uq_segment_code")),
    )
    op.create_table(
        "segment_rules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("rules", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry"],
            ["audit_entry.leaf_hash"],
            name=op.f("fk_segment_rules_entry"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_segment_rules")),
        sa.UniqueConstraint("name", name=op.f("uq_segment_rules_name")),
    )
    op.create_table(
        "consignment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=True),
        sa.Column("depot_id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("segment", sa.String(), nullable=False),
        sa.Column("segment_reason", sa.String(), nullable=False),
        sa.Column("service", sa.String(), nullable=True),
        sa.Column("customer_id", sa.String(), nullable=True),
        sa.Column("customer_name", sa.String(), nullable=True),
        sa.Column("value", sa.String(), nullable=True),
        sa.Column("service_date", sa.Date(), nullable=False),
        sa.Column("recipient_name", sa.String(), nullable=False),
        sa.Column("recipient_phone", sa.String(), nullable=True),
        sa.Column("phone_takes_sms", sa.Boolean(), nullable=False),
        sa.Column("recipient_email", sa.String(), nullable=True),
        sa.Column("address_lines", postgresql.JSONB(), nullable=False),
        sa.Column("postcode", sa.String(), nullable=True),
        sa.Column("city", sa.String(), nullable=False),
        sa.Column("country", sa.String(), nullable=False),
        sa.Column("lat", sa.Float(), nullable=True),
        sa.Column("lon", sa.Float(), nullable=True),
        sa.Column("location_source", sa.String(), nullable=True),
        sa.Column("window_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("window_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("instructions", sa.String(), nullable=True),
        sa.Column("safe_place", sa.String(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("tracking_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('ready', 'needs_attention', 'planned', 'released', 'delivered', 'failed', 'returned', 'cancelled')",
            name=op.f("ck_consignment_state"),
        ),
        sa.CheckConstraint("(lat IS NULL) = (lon IS NULL)", name=op.f("ck_consignment_location")),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_consignment_attempts")),
        sa.CheckConstraint("window_start < window_end", name=op.f("ck_consignment_window")),
        sa.ForeignKeyConstraint(["depot_id"], ["depot.id"], name=op.f("fk_consignment_depot_id")),
        sa.ForeignKeyConstraint(
            ["entry"],
            ["audit_entry.leaf_hash"],
            name=op.f("fk_consignment_entry"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consignment")),
        sa.UniqueConstraint("reference", name=op.f("uq_consignment_reference")),
        sa.UniqueConstraint("tracking_hash", name=op.f("uq_consignment_tracking_hash")),
    )
    op.create_index(
        "ix_consignment_depot_date",
        "consignment",
        ["depot_id", "service_date", "state"],
        unique=False,
    )
    op.create_table(
        "driver",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=True),
        sa.Column("depot_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("phone", sa.String(), nullable=True),
        sa.Column("skills", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["depot_id"], ["depot.id"], name=op.f("fk_driver_depot_id")),
        sa.ForeignKeyConstraint(
            ["entry"],
            ["audit_entry.leaf_hash"],
            name=op.f("fk_driver_entry"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_driver")),
    )
    op.create_table(
        "plan",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("depot_id", sa.Uuid(), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("nightly", sa.Boolean(), nullable=False),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("time_limit_s", sa.Float(), nullable=False),
        sa.Column("engine", sa.String(), nullable=False),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("cost", sa.Integer(), nullable=True),
        sa.Column("routes", sa.Integer(), nullable=False),
        sa.Column("assigned", sa.Integer(), nullable=False),
        sa.Column("unassigned", postgresql.JSONB(), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("superseded", sa.Boolean(), nullable=False),
        sa.Column("claimed_by", sa.String(), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'done', 'failed')", name=op.f("ck_plan_state")
        ),
        sa.ForeignKeyConstraint(["depot_id"], ["depot.id"], name=op.f("fk_plan_depot_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan")),
    )
    op.create_index("ix_plan_depot_date", "plan", ["depot_id", "date"], unique=False)
    op.create_index(
        "uq_plan_nightly",
        "plan",
        ["depot_id", "date"],
        unique=True,
        postgresql_where=sa.text("nightly"),
    )
    op.create_table(
        "session",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("csrf", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_session_person_id")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_session")),
    )
    op.create_table(
        "vehicle",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=True),
        sa.Column("depot_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("capacity_kg", sa.Float(), nullable=False),
        sa.Column("capacity_dm3", sa.Float(), nullable=False),
        sa.Column("skills", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint(
            "capacity_kg > 0 AND capacity_dm3 > 0", name=op.f("ck_vehicle_capacity")
        ),
        sa.ForeignKeyConstraint(["depot_id"], ["depot.id"], name=op.f("fk_vehicle_depot_id")),
        sa.ForeignKeyConstraint(
            ["entry"],
            ["audit_entry.leaf_hash"],
            name=op.f("fk_vehicle_entry"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vehicle")),
        sa.UniqueConstraint("depot_id", "code", name=op.f("uq_vehicle_depot_id_code")),
    )
    op.create_table(
        "device",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=True),
        sa.Column("driver_id", sa.Uuid(), nullable=False),
        sa.Column("platform", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("app_version", sa.String(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=True),
        sa.Column("enrolled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["driver_id"], ["driver.id"], name=op.f("fk_device_driver_id")),
        sa.ForeignKeyConstraint(
            ["entry"],
            ["audit_entry.leaf_hash"],
            name=op.f("fk_device_entry"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device")),
    )
    op.create_index(op.f("ix_device_driver_id"), "device", ["driver_id"], unique=False)
    op.create_table(
        "enrolment_code",
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("driver_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["driver_id"], ["driver.id"], name=op.f("fk_enrolment_code_driver_id")
        ),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_enrolment_code")),
    )
    op.create_table(
        "parcel",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("consignment_id", sa.Uuid(), nullable=False),
        sa.Column("barcode", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("weight_kg", sa.Float(), nullable=False),
        sa.Column("volume_dm3", sa.Float(), nullable=False),
        sa.Column("handling", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("weight_kg >= 0 AND volume_dm3 >= 0", name=op.f("ck_parcel_measures")),
        sa.ForeignKeyConstraint(
            ["consignment_id"], ["consignment.id"], name=op.f("fk_parcel_consignment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_parcel")),
        sa.UniqueConstraint(
            "consignment_id", "barcode", name=op.f("uq_parcel_consignment_id_barcode")
        ),
    )
    op.create_index(op.f("ix_parcel_barcode"), "parcel", ["barcode"], unique=False)
    op.create_index(op.f("ix_parcel_consignment_id"), "parcel", ["consignment_id"], unique=False)
    op.create_table(
        "privacy_hold",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("consignment_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("placed_by", sa.String(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["consignment_id"], ["consignment.id"], name=op.f("fk_privacy_hold_consignment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_privacy_hold")),
    )
    op.create_index(
        op.f("ix_privacy_hold_consignment_id"), "privacy_hold", ["consignment_id"], unique=False
    )
    op.create_table(
        "shift",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=True),
        sa.Column("driver_id", sa.Uuid(), nullable=False),
        sa.Column("vehicle_id", sa.Uuid(), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_shift_order")),
        sa.ForeignKeyConstraint(["driver_id"], ["driver.id"], name=op.f("fk_shift_driver_id")),
        sa.ForeignKeyConstraint(
            ["entry"],
            ["audit_entry.leaf_hash"],
            name=op.f("fk_shift_entry"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(["vehicle_id"], ["vehicle.id"], name=op.f("fk_shift_vehicle_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shift")),
        sa.UniqueConstraint(
            "driver_id", "date", "starts_at", name=op.f("uq_shift_driver_id_date_starts_at")
        ),
    )
    op.create_index(op.f("ix_shift_date"), "shift", ["date"], unique=False)
    op.create_table(
        "device_journal",
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("acked_n", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pending", sa.Integer(), nullable=True),
        sa.Column("oldest_pending_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("acked_n >= 0", name=op.f("ck_device_journal_acked_n")),
        sa.ForeignKeyConstraint(
            ["device_id"], ["device.id"], name=op.f("fk_device_journal_device_id")
        ),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_device_journal")),
    )
    op.create_table(
        "evidence_upload",
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("offset", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint('"offset" BETWEEN 0 AND size', name=op.f("ck_evidence_upload_offset")),
        sa.ForeignKeyConstraint(
            ["device_id"], ["device.id"], name=op.f("fk_evidence_upload_device_id")
        ),
        sa.PrimaryKeyConstraint("device_id", "sha256", name=op.f("pk_evidence_upload")),
    )
    op.create_table(
        "lost_range",
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("from_n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("to_n", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_lost_range_device_id")),
        sa.PrimaryKeyConstraint("device_id", "from_n", name=op.f("pk_lost_range")),
    )
    op.create_table(
        "mutation",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("driver_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=True),
        sa.Column("numbered", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=True),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(), nullable=True),
        sa.Column("stop_id", sa.Uuid(), nullable=True),
        sa.Column("route_id", sa.Uuid(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("receipt", postgresql.JSONB(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_mutation_device_id")),
        sa.ForeignKeyConstraint(["driver_id"], ["driver.id"], name=op.f("fk_mutation_driver_id")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_mutation")),
    )
    op.create_index(
        "ix_mutation_held",
        "mutation",
        ["device_id"],
        unique=False,
        postgresql_where=sa.text("outcome = 'held'"),
    )
    op.create_index("ix_mutation_id", "mutation", ["id"], unique=False)
    op.create_index("ix_mutation_stop", "mutation", ["stop_id"], unique=False)
    op.create_index(
        "uq_mutation_beside",
        "mutation",
        ["device_id", "hash"],
        unique=True,
        postgresql_where=sa.text("NOT numbered"),
    )
    op.create_index(
        "uq_mutation_number",
        "mutation",
        ["device_id", "n"],
        unique=True,
        postgresql_where=sa.text("numbered"),
    )
    op.create_table(
        "position",
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lat", sa.Float(), nullable=False),
        sa.Column("lon", sa.Float(), nullable=False),
        sa.Column("accuracy_m", sa.Float(), nullable=False),
        sa.Column("speed", sa.Float(), nullable=True),
        sa.Column("mock", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_position_device_id")),
        sa.PrimaryKeyConstraint("device_id", "at", name=op.f("pk_position")),
    )
    op.create_table(
        "refresh_token",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("family", sa.Uuid(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("spent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("nonce", sa.String(), nullable=True),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["device.id"], name=op.f("fk_refresh_token_device_id")
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_refresh_token")),
    )
    op.create_index(op.f("ix_refresh_token_family"), "refresh_token", ["family"], unique=False)
    op.create_table(
        "route",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=True),
        sa.Column("plan_id", sa.Uuid(), nullable=True),
        sa.Column("depot_id", sa.Uuid(), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("driver_id", sa.Uuid(), nullable=False),
        sa.Column("vehicle_id", sa.Uuid(), nullable=False),
        sa.Column("shift_id", sa.Uuid(), nullable=False),
        sa.Column("manifest_driver_id", sa.Uuid(), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('planned', 'released', 'started', 'finished', 'superseded')",
            name=op.f("ck_route_state"),
        ),
        sa.ForeignKeyConstraint(["depot_id"], ["depot.id"], name=op.f("fk_route_depot_id")),
        sa.ForeignKeyConstraint(["driver_id"], ["driver.id"], name=op.f("fk_route_driver_id")),
        sa.ForeignKeyConstraint(
            ["entry"],
            ["audit_entry.leaf_hash"],
            name=op.f("fk_route_entry"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["manifest_driver_id"], ["driver.id"], name=op.f("fk_route_manifest_driver_id")
        ),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_route_plan_id")),
        sa.ForeignKeyConstraint(["shift_id"], ["shift.id"], name=op.f("fk_route_shift_id")),
        sa.ForeignKeyConstraint(["vehicle_id"], ["vehicle.id"], name=op.f("fk_route_vehicle_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_route")),
    )
    op.create_index("ix_route_depot_date", "route", ["depot_id", "date"], unique=False)
    op.create_index("ix_route_manifest", "route", ["manifest_driver_id"], unique=False)
    op.create_index(op.f("ix_route_plan_id"), "route", ["plan_id"], unique=False)
    op.create_table(
        "route_assignment",
        sa.Column("route_id", sa.Uuid(), nullable=False),
        sa.Column("driver_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["driver_id"], ["driver.id"], name=op.f("fk_route_assignment_driver_id")
        ),
        sa.ForeignKeyConstraint(
            ["route_id"], ["route.id"], name=op.f("fk_route_assignment_route_id")
        ),
        sa.PrimaryKeyConstraint("route_id", "driver_id", name=op.f("pk_route_assignment")),
    )
    op.create_table(
        "stop",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=True),
        sa.Column("route_id", sa.Uuid(), nullable=False),
        sa.Column("consignment_id", sa.Uuid(), nullable=False),
        sa.Column("manifest_driver_id", sa.Uuid(), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("proof", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("segment", sa.String(), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("eta", sa.DateTime(timezone=True), nullable=False),
        sa.Column("window_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("window_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("service_s", sa.Integer(), nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("door_issue", sa.Integer(), nullable=False),
        sa.Column("door_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("method", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("recipient", sa.String(), nullable=True),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Uuid(), nullable=True),
        sa.Column("evidence_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "proof IN ('none', 'awaited', 'accepted', 'refused', 'waived')",
            name=op.f("ck_stop_proof"),
        ),
        sa.CheckConstraint(
            "state IN ('planned', 'released', 'arrived', 'delivered', 'failed', 'cancelled')",
            name=op.f("ck_stop_state"),
        ),
        sa.CheckConstraint("attempt >= 1", name=op.f("ck_stop_attempt")),
        sa.CheckConstraint("window_start < window_end", name=op.f("ck_stop_window")),
        sa.ForeignKeyConstraint(
            ["consignment_id"], ["consignment.id"], name=op.f("fk_stop_consignment_id")
        ),
        sa.ForeignKeyConstraint(
            ["entry"],
            ["audit_entry.leaf_hash"],
            name=op.f("fk_stop_entry"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["manifest_driver_id"], ["driver.id"], name=op.f("fk_stop_manifest_driver_id")
        ),
        sa.ForeignKeyConstraint(["route_id"], ["route.id"], name=op.f("fk_stop_route_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stop")),
    )
    op.create_index(op.f("ix_stop_consignment_id"), "stop", ["consignment_id"], unique=False)
    op.create_index(
        "ix_stop_evidence_due",
        "stop",
        ["evidence_due_at"],
        unique=False,
        postgresql_where=sa.text("proof = 'awaited'"),
    )
    op.create_index("ix_stop_manifest", "stop", ["manifest_driver_id"], unique=False)
    op.create_index("ix_stop_route", "stop", ["route_id", "sequence"], unique=False)
    op.create_table(
        "door",
        sa.Column("stop_id", sa.Uuid(), nullable=False),
        sa.Column("wrong_tries", sa.Integer(), nullable=False),
        sa.Column("spent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("spent_by", sa.String(), nullable=True),
        sa.Column("spent_means", sa.String(), nullable=True),
        sa.CheckConstraint("wrong_tries BETWEEN 0 AND 5", name=op.f("ck_door_wrong_tries")),
        sa.ForeignKeyConstraint(["stop_id"], ["stop.id"], name=op.f("fk_door_stop_id")),
        sa.PrimaryKeyConstraint("stop_id", name=op.f("pk_door")),
    )
    op.create_table(
        "evidence",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=True),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("stop_id", sa.Uuid(), nullable=True),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("driver_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["driver_id"], ["driver.id"], name=op.f("fk_evidence_driver_id")),
        sa.ForeignKeyConstraint(
            ["entry"],
            ["audit_entry.leaf_hash"],
            name=op.f("fk_evidence_entry"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(["stop_id"], ["stop.id"], name=op.f("fk_evidence_stop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence")),
        sa.UniqueConstraint("driver_id", "sha256", name=op.f("uq_evidence_driver_id_sha256")),
    )
    op.create_index(op.f("ix_evidence_sha256"), "evidence", ["sha256"], unique=False)
    op.create_table(
        "evidence_ref",
        sa.Column("mutation_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("stop_id", sa.Uuid(), nullable=False),
        sa.Column("driver_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["driver_id"], ["driver.id"], name=op.f("fk_evidence_ref_driver_id")
        ),
        sa.ForeignKeyConstraint(["stop_id"], ["stop.id"], name=op.f("fk_evidence_ref_stop_id")),
        sa.PrimaryKeyConstraint("mutation_id", "sha256", name=op.f("pk_evidence_ref")),
    )
    op.create_index("ix_evidence_ref_sha256", "evidence_ref", ["sha256", "driver_id"], unique=False)
    op.create_index(op.f("ix_evidence_ref_stop_id"), "evidence_ref", ["stop_id"], unique=False)
    op.create_table(
        "inbox_item",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("depot_id", sa.Uuid(), nullable=True),
        sa.Column("stop_id", sa.Uuid(), nullable=True),
        sa.Column("device_id", sa.Uuid(), nullable=True),
        sa.Column("mutation_id", sa.Uuid(), nullable=True),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("actions", postgresql.JSONB(), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by", sa.Uuid(), nullable=True),
        sa.Column("action", sa.String(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["depot_id"], ["depot.id"], name=op.f("fk_inbox_item_depot_id")),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_inbox_item_device_id")),
        sa.ForeignKeyConstraint(
            ["entry"],
            ["audit_entry.leaf_hash"],
            name=op.f("fk_inbox_item_entry"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["resolved_by"], ["person.id"], name=op.f("fk_inbox_item_resolved_by")
        ),
        sa.ForeignKeyConstraint(["stop_id"], ["stop.id"], name=op.f("fk_inbox_item_stop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox_item")),
        sa.UniqueConstraint("subject", name=op.f("uq_inbox_item_subject")),
    )
    op.create_index("ix_inbox_item_open", "inbox_item", ["state", "id"], unique=False)
    op.create_table(
        "override",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=True),
        sa.Column("stop_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("to_state", sa.String(), nullable=False),
        sa.Column("proof", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("idempotency_key", sa.String(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("confirmed_by", sa.Uuid(), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "confirmed_by IS DISTINCT FROM requested_by", name=op.f("ck_override_second_person")
        ),
        sa.ForeignKeyConstraint(
            ["confirmed_by"], ["person.id"], name=op.f("fk_override_confirmed_by")
        ),
        sa.ForeignKeyConstraint(
            ["entry"],
            ["audit_entry.leaf_hash"],
            name=op.f("fk_override_entry"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["requested_by"], ["person.id"], name=op.f("fk_override_requested_by")
        ),
        sa.ForeignKeyConstraint(["stop_id"], ["stop.id"], name=op.f("fk_override_stop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_override")),
    )
    op.create_index(op.f("ix_override_stop_id"), "override", ["stop_id"], unique=False)
    op.create_index(
        "uq_override_idempotency", "override", ["requested_by", "idempotency_key"], unique=True
    )
    op.create_table(
        "stop_assignment",
        sa.Column("stop_id", sa.Uuid(), nullable=False),
        sa.Column("driver_id", sa.Uuid(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["driver_id"], ["driver.id"], name=op.f("fk_stop_assignment_driver_id")
        ),
        sa.ForeignKeyConstraint(["stop_id"], ["stop.id"], name=op.f("fk_stop_assignment_stop_id")),
        sa.PrimaryKeyConstraint("stop_id", "driver_id", name=op.f("pk_stop_assignment")),
    )
    op.create_table(
        "stop_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("stop_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("actor_id", sa.String(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=True),
        sa.Column("mutation_id", sa.Uuid(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=True),
        sa.Column("happened", sa.DateTime(timezone=True), nullable=False),
        sa.Column("uncertainty_ms", sa.Integer(), nullable=True),
        sa.Column("known", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.Column("fix", postgresql.JSONB(), nullable=True),
        sa.Column("findings", postgresql.JSONB(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["stop_id"], ["stop.id"], name=op.f("fk_stop_event_stop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stop_event")),
    )
    op.create_index(op.f("ix_stop_event_mutation_id"), "stop_event", ["mutation_id"], unique=False)
    op.create_index("ix_stop_event_stop", "stop_event", ["stop_id", "version"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_stop_event_stop", table_name="stop_event")
    op.drop_index(op.f("ix_stop_event_mutation_id"), table_name="stop_event")
    op.drop_table("stop_event")
    op.drop_table("stop_assignment")
    op.drop_index("uq_override_idempotency", table_name="override")
    op.drop_index(op.f("ix_override_stop_id"), table_name="override")
    op.drop_table("override")
    op.drop_index("ix_inbox_item_open", table_name="inbox_item")
    op.drop_table("inbox_item")
    op.drop_index(op.f("ix_evidence_ref_stop_id"), table_name="evidence_ref")
    op.drop_index("ix_evidence_ref_sha256", table_name="evidence_ref")
    op.drop_table("evidence_ref")
    op.drop_index(op.f("ix_evidence_sha256"), table_name="evidence")
    op.drop_table("evidence")
    op.drop_table("door")
    op.drop_index("ix_stop_route", table_name="stop")
    op.drop_index("ix_stop_manifest", table_name="stop")
    op.drop_index(
        "ix_stop_evidence_due", table_name="stop", postgresql_where=sa.text("proof = 'awaited'")
    )
    op.drop_index(op.f("ix_stop_consignment_id"), table_name="stop")
    op.drop_table("stop")
    op.drop_table("route_assignment")
    op.drop_index(op.f("ix_route_plan_id"), table_name="route")
    op.drop_index("ix_route_manifest", table_name="route")
    op.drop_index("ix_route_depot_date", table_name="route")
    op.drop_table("route")
    op.drop_index(op.f("ix_refresh_token_family"), table_name="refresh_token")
    op.drop_table("refresh_token")
    op.drop_table("position")
    op.drop_index("uq_mutation_number", table_name="mutation", postgresql_where=sa.text("numbered"))
    op.drop_index(
        "uq_mutation_beside", table_name="mutation", postgresql_where=sa.text("NOT numbered")
    )
    op.drop_index("ix_mutation_stop", table_name="mutation")
    op.drop_index("ix_mutation_id", table_name="mutation")
    op.drop_index(
        "ix_mutation_held", table_name="mutation", postgresql_where=sa.text("outcome = 'held'")
    )
    op.drop_table("mutation")
    op.drop_table("lost_range")
    op.drop_table("evidence_upload")
    op.drop_table("device_journal")
    op.drop_index(op.f("ix_shift_date"), table_name="shift")
    op.drop_table("shift")
    op.drop_index(op.f("ix_privacy_hold_consignment_id"), table_name="privacy_hold")
    op.drop_table("privacy_hold")
    op.drop_index(op.f("ix_parcel_consignment_id"), table_name="parcel")
    op.drop_index(op.f("ix_parcel_barcode"), table_name="parcel")
    op.drop_table("parcel")
    op.drop_table("enrolment_code")
    op.drop_index(op.f("ix_device_driver_id"), table_name="device")
    op.drop_table("device")
    op.drop_table("vehicle")
    op.drop_table("session")
    op.drop_index("uq_plan_nightly", table_name="plan", postgresql_where=sa.text("nightly"))
    op.drop_index("ix_plan_depot_date", table_name="plan")
    op.drop_table("plan")
    op.drop_table("driver")
    op.drop_index("ix_consignment_depot_date", table_name="consignment")
    op.drop_table("consignment")
    op.drop_table("segment_rules")
    op.drop_table("segment")
    op.drop_table("person")
    op.drop_table("depot")
    op.drop_table("audit_pending")
    op.drop_index(op.f("ix_audit_opening_entity_id"), table_name="audit_opening")
    op.drop_table("audit_opening")
    op.drop_table("audit_leaf")
    op.drop_table("try_window")
    op.drop_table("segment_policy")
    op.drop_table("scope")
    op.drop_index(op.f("ix_outbox_due_at"), table_name="outbox")
    op.drop_table("outbox")
    op.drop_table("leader_lease")
    op.drop_table("installation")
    op.drop_index(op.f("ix_gazetteer_place_key"), table_name="gazetteer_place")
    op.drop_table("gazetteer_place")
    op.drop_index("ix_feed_scope_v", table_name="feed")
    op.drop_index("ix_feed_present", table_name="feed", postgresql_where=sa.text("NOT gone"))
    op.drop_table("feed")
    op.drop_table("audit_tree")
    op.drop_index("uq_audit_entry_n", table_name="audit_entry")
    op.drop_index("ix_audit_entry_at", table_name="audit_entry")
    op.drop_index("ix_audit_entry_actor", table_name="audit_entry")
    op.drop_table("audit_entry")
    op.drop_table("audit_checkpoint")
