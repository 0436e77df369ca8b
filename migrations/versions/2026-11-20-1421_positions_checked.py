"""Positions, second of three: fixes dated beyond the end move over, and the rest is checked.

Rows are read under locks that let the lane go on writing.

Revision ID: 202611201421
Revises: 202611201420
"""

from alembic import op

revision = "202611201421"
down_revision = "202611201420"
branch_labels = None
depends_on = None

ENDS = r"""
SELECT substring(pg_get_constraintdef(oid) FROM '''([0-9-]+ [0-9:+]+)''')
  FROM pg_constraint WHERE conname = 'ck_position_ends'
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL timezone = 'UTC'")
    op.execute(
        "WITH beyond AS ("
        f"DELETE FROM position WHERE at >= ({ENDS})::timestamptz RETURNING *"
        ") INSERT INTO position_default SELECT * FROM beyond"
    )
    op.execute("ALTER TABLE position VALIDATE CONSTRAINT ck_position_ends")


def downgrade() -> None:
    """Go back: what has moved over moves back with the step before."""
