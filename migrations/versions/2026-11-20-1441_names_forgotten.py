"""Names of files, second of two: what arrivals, notes, scans and the like named is written down.

Until now only the ends of visits, more evidence and corrections in time had their files asked for
and erased. The timeline kept what all the others named. It is read once, and rows are only added:
nobody waits meanwhile. What was erased already is asked for no more; erase it again, and the files
that were left behind go.

Revision ID: 202611201441
Revises: 202611201440
"""

from alembic import op

revision = "202611201441"
down_revision = "202611201440"
branch_labels = None
depends_on = None

FORGOTTEN = """
INSERT INTO evidence_ref (mutation_id, sha256, stop_id, driver_id, kind, size, media_type, wanted)
SELECT s.mutation_id, named.sha256, s.stop_id, d.driver_id, named.kind, coalesce(named.size, 0),
       coalesce(named.media_type, ''), c.content_hash <> '' AND NOT EXISTS (
  SELECT FROM evidence e
  WHERE e.driver_id = d.driver_id AND e.sha256 = named.sha256 AND e.lost_at IS NULL)
  FROM stop_event s
  JOIN device d ON d.id = s.device_id
  JOIN stop ON stop.id = s.stop_id
  JOIN consignment c ON c.id = stop.consignment_id,
       jsonb_to_recordset(s.evidence)
    AS named(sha256 text, kind text, size int, media_type text)
 WHERE s.mutation_id IS NOT NULL AND s.source = 'driver' AND s.evidence <> '[]'
    ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(FORGOTTEN)


def downgrade() -> None:
    """Go back: the names are such as the release before could have written, and stay."""
