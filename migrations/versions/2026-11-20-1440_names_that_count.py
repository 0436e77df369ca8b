"""Names of files, first of two: whether the event that names a file had any effect.

Every name so far is of one that had: the constant is a column's default, so the strong lock is
held for a moment.

Revision ID: 202611201440
Revises: 202611201432
"""

import sqlalchemy as sa
from alembic import op

revision = "202611201440"
down_revision = "202611201432"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    counts = sa.Column("counts", sa.Boolean(), nullable=False, server_default=sa.true())
    op.add_column("evidence_ref", counts)


def downgrade() -> None:
    """Go back: the release before would count every name, so it must not find the others."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE evidence_ref DISABLE TRIGGER keeps_rows")
    op.execute("DELETE FROM evidence_ref WHERE NOT counts")
    op.execute("ALTER TABLE evidence_ref ENABLE TRIGGER keeps_rows")
    op.drop_column("evidence_ref", "counts")
