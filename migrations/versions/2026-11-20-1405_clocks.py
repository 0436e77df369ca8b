"""Clocks of devices, what waits to be judged again, and tokens that survive a restore.

Columns only, each nullable or with a constant: no table is rewritten and no lock is held for long.
The few journals of devices that wait for something are marked as such.

Revision ID: 202611201405
Revises: 202611201401
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "202611201405"
down_revision = "202611201401"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
NONE_YET = sa.text("0")
HOLDING = """
UPDATE device_journal SET holds = true
 WHERE device_id IN (SELECT device_id FROM mutation WHERE outcome = 'held')
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("device_journal", sa.Column("clocks", postgresql.JSONB(), nullable=True))
    op.add_column("device_journal", sa.Column("skew_ms", sa.BigInteger(), nullable=True))
    holds = sa.Column("holds", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("device_journal", holds)
    op.add_column("mutation", sa.Column("dated", postgresql.JSONB(), nullable=True))
    op.add_column("stop_event", sa.Column("device_wall", TIME, nullable=True))
    generation = sa.Column("generation", sa.Integer(), nullable=False, server_default=NONE_YET)
    op.add_column("refresh_token", generation)
    op.execute(HOLDING)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("refresh_token", "generation")
    op.drop_column("stop_event", "device_wall")
    op.drop_column("mutation", "dated")
    for name in ("holds", "skew_ms", "clocks"):
        op.drop_column("device_journal", name)
