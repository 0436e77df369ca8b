"""What every board shows already enters its depot's feed, and tombstones get an age.

Rows are added and changed under row locks alone; the aggregator numbers them when it comes by.

Revision ID: 202611201401
Revises: 202611201400
"""

from alembic import op

revision = "202611201401"
down_revision = "202611201400"
branch_labels = None
depends_on = None

BOARDS = """
INSERT INTO feed (scope, type, entity_id, gone)
SELECT 'depot:' || depot_id, 'route', id::text, false FROM route
 WHERE state <> 'superseded' AND date >= current_date - 14
UNION ALL
SELECT 'depot:' || route.depot_id, 'stop', stop.id::text, false
  FROM stop JOIN route ON route.id = stop.route_id
 WHERE route.state <> 'superseded' AND route.date >= current_date - 14
UNION ALL
SELECT 'depot:' || depot_id, 'inbox', id::text, false FROM inbox_item
 WHERE state = 'open' AND depot_id IS NOT NULL
ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("UPDATE feed SET gone_at = now() WHERE gone")
    op.execute(BOARDS)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DELETE FROM feed WHERE scope LIKE 'depot:%'")
    op.execute("DELETE FROM scope WHERE id LIKE 'depot:%'")
