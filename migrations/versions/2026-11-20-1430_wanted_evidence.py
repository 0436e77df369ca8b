"""Which named files are still wanted, and which the store has lost.

Columns only, with a constant or nullable. The few names whose bytes never came are marked; the
index is over those alone.

Revision ID: 202611201430
Revises: 202611201422
"""

import sqlalchemy as sa
from alembic import op

revision = "202611201430"
down_revision = "202611201422"
branch_labels = None
depends_on = None

MISSING = """
UPDATE evidence_ref r SET wanted = true
 WHERE NOT EXISTS (SELECT FROM evidence e WHERE e.driver_id = r.driver_id AND e.sha256 = r.sha256)
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("evidence", sa.Column("lost_at", sa.DateTime(timezone=True), nullable=True))
    wanted = sa.Column("wanted", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("evidence_ref", wanted)
    op.execute(MISSING)
    op.create_index(
        "ix_evidence_ref_wanted",
        "evidence_ref",
        ["driver_id", "sha256"],
        postgresql_where=sa.text("wanted"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_evidence_ref_wanted", "evidence_ref")
    op.drop_column("evidence_ref", "wanted")
    op.drop_column("evidence", "lost_at")
