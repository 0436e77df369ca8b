"""What a device sent may be emptied in one case: an erasure that the log names.

The row, its hash and its answer stay, so a repeat is still known as one; only the bytes go. The
transaction has to say that it erases, so nothing else can do it by mistake.

Revision ID: 202611201130
Revises: 202611201105
"""

from alembic import op

revision = "202611201130"
down_revision = "202611201105"
branch_labels = None
depends_on = None

BODY = """
CREATE OR REPLACE FUNCTION keep_mutation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF {bytes_changed}
      OR (NEW.hash, NEW.device_id, NEW.received_at)
      IS DISTINCT FROM (OLD.hash, OLD.device_id, OLD.received_at)
      OR NEW.n IS DISTINCT FROM OLD.n OR NEW.id IS DISTINCT FROM OLD.id THEN
    RAISE EXCEPTION 'what a device sent is not changed' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$
"""
CHANGED = "NEW.raw IS DISTINCT FROM OLD.raw"
ERASING = "NEW.raw = '' AND coalesce(current_setting('doorstep.erasing', true), '') = 'on'"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(BODY.format(bytes_changed=f"({CHANGED} AND NOT ({ERASING}))"))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(BODY.format(bytes_changed=CHANGED))
