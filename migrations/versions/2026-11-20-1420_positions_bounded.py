"""Positions, first of three: the table as it is gets an end, so that it can become a partition.

The three steps are three transactions, so that none holds a strong lock while it reads the table:
this one promises the end for new rows, the second moves what lies beyond it and checks the rest
while others write, the third swaps names. Nothing but the positions lane can be held up by them.

Revision ID: 202611201420
Revises: 202611201410
"""

from alembic import op
from sqlalchemy import text

revision = "202611201420"
down_revision = "202611201410"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    next_month = "date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month'"
    ends = op.get_bind().scalar(text(f"SELECT to_char({next_month}, 'YYYY-MM-01')"))
    op.execute("CREATE TABLE position_default (LIKE position INCLUDING DEFAULTS)")
    op.execute("ALTER TABLE position_default ADD CONSTRAINT pk_position_default PRIMARY KEY (device_id, at)")
    op.execute(
        "ALTER TABLE position ADD CONSTRAINT ck_position_ends "
        f"CHECK (at < '{ends} 00:00:00+00') NOT VALID"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE position DROP CONSTRAINT IF EXISTS ck_position_ends")
    op.execute("INSERT INTO position SELECT * FROM position_default")
    op.execute("DROP TABLE position_default")
