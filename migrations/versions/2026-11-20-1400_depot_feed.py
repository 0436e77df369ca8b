"""Depots become scopes: their rows wait for a number; tombstones can be dropped up to a floor.

Only catalogue changes, so the locks are held for a moment. What the boards show already is put on
them by the next revision, in a transaction of its own.

Revision ID: 202611201400
Revises: 202611201130
"""

import sqlalchemy as sa
from alembic import op

revision = "202611201400"
down_revision = "202611201130"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.alter_column("feed", "v", existing_type=sa.BigInteger(), nullable=True)
    op.add_column("feed", sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("scope", sa.Column("floor", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("device_journal", sa.Column("pulled_v", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("device_journal", "pulled_v")
    op.drop_column("scope", "floor")
    op.drop_column("feed", "gone_at")
    op.alter_column("feed", "v", existing_type=sa.BigInteger(), nullable=False)
