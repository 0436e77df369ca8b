"""Follow-ups: what must be done where a fact contradicted what was decided.

A new table with the guards of every audited one; no other table is touched.

Revision ID: 202611201410
Revises: 202611201405
"""

import sqlalchemy as sa
from alembic import op

revision = "202611201410"
down_revision = "202611201405"
branch_labels = None
depends_on = None

KINDS = "kind IN ('return', 'credit', 're_dispatch', 'duplicate_delivery', 'call')"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "follow_up",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=True),
        sa.Column("stop_id", sa.Uuid(), nullable=False),
        sa.Column("depot_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("mutation_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(KINDS, name=op.f("ck_follow_up_kind")),
        sa.CheckConstraint("state IN ('open', 'done')", name=op.f("ck_follow_up_state")),
        sa.ForeignKeyConstraint(["depot_id"], ["depot.id"], name=op.f("fk_follow_up_depot_id")),
        sa.ForeignKeyConstraint(["done_by"], ["person.id"], name=op.f("fk_follow_up_done_by")),
        sa.ForeignKeyConstraint(
            ["entry"],
            ["audit_entry.leaf_hash"],
            name=op.f("fk_follow_up_entry"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(["stop_id"], ["stop.id"], name=op.f("fk_follow_up_stop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_follow_up")),
    )
    cause = ["stop_id", "kind", "mutation_id"]
    op.create_index("uq_follow_up_cause", "follow_up", cause, unique=True)
    op.create_index("ix_follow_up_open", "follow_up", ["state", "id"], unique=False)
    op.create_index("ix_follow_up_mutation", "follow_up", ["mutation_id"], unique=False)
    op.execute(
        "CREATE TRIGGER needs_entry BEFORE INSERT OR UPDATE ON follow_up "
        "FOR EACH ROW EXECUTE FUNCTION require_entry()"
    )
    op.execute(
        "CREATE TRIGGER keeps_rows BEFORE DELETE ON follow_up "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER keeps_table BEFORE TRUNCATE ON follow_up "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("follow_up")
