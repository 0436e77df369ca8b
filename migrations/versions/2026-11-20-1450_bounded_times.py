"""Timelines keep whether our own clocks bound when an event happened: only then it decides.

A column with a constant, so the strong lock is held for a moment. Of what was kept before nobody
knows any more, and so it decides nothing.

Revision ID: 202611201450
Revises: 202611201441
"""

import sqlalchemy as sa
from alembic import op

revision = "202611201450"
down_revision = "202611201441"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    bounded = sa.Column("bounded", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("stop_event", bounded)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("stop_event", "bounded")
