"""Wanted evidence, first of three: which named files are still wanted, and which the store has lost.

Columns only, with a constant or nullable, so the strong lock is held for a moment. What is wanted
is marked by the next revision, and found by the index of the one after it.

Revision ID: 202611201430
Revises: 202611201422
"""

import sqlalchemy as sa
from alembic import op

revision = "202611201430"
down_revision = "202611201422"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("evidence", sa.Column("lost_at", sa.DateTime(timezone=True), nullable=True))
    wanted = sa.Column("wanted", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("evidence_ref", wanted)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("evidence_ref", "wanted")
    op.drop_column("evidence", "lost_at")
