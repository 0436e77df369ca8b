"""Wanted evidence, third of three: an index over the marked names alone.

Names cannot be added while it is built, which is one reading of their table; everybody may read.

Revision ID: 202611201432
Revises: 202611201431
"""

from alembic import op

revision = "202611201432"
down_revision = "202611201431"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(
        "CREATE INDEX IF NOT EXISTS ix_evidence_ref_wanted ON evidence_ref (driver_id, sha256) "
        "WHERE wanted"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_evidence_ref_wanted", "evidence_ref")
