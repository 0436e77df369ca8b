"""Wanted evidence, second of three: the names whose bytes never came are marked.

All names are read for it, under row locks on the few that are marked: nobody waits meanwhile.

Revision ID: 202611201431
Revises: 202611201430
"""

from alembic import op

revision = "202611201431"
down_revision = "202611201430"
branch_labels = None
depends_on = None

MISSING = """
UPDATE evidence_ref r SET wanted = true
 WHERE NOT wanted AND NOT EXISTS (
   SELECT FROM evidence e WHERE e.driver_id = r.driver_id AND e.sha256 = r.sha256)
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(MISSING)


def downgrade() -> None:
    """Go back: the marks go with their column, with the step before."""
