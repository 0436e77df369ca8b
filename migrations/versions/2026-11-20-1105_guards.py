"""Triggers that hold what the rules promise, whoever writes the SQL.

The log and policy history take no UPDATE, DELETE or TRUNCATE. An audited row changes only together
with a newer entry, and is never deleted. What a device sent keeps its bytes.

Revision ID: 202611201105
Revises: 202611201100
"""

from alembic import op

revision = "202611201105"
down_revision = "202611201100"
branch_labels = None
depends_on = None

WRITTEN_ONCE = ("audit_entry", "audit_leaf", "audit_checkpoint", "segment_policy")
AUDITED = (
    "consignment",
    "depot",
    "device",
    "driver",
    "evidence",
    "inbox_item",
    "override",
    "person",
    "route",
    "segment",
    "segment_rules",
    "shift",
    "stop",
    "vehicle",
)
NEVER_DELETED = (*AUDITED, "mutation", "stop_event", "evidence_ref", "lost_range")

REFUSE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% of % is refused: what is recorded stays', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation';
END $$
"""
NEEDS_ENTRY = """
CREATE FUNCTION require_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.entry IS NULL OR (TG_OP = 'UPDATE'
      AND (NEW.version <= OLD.version OR NEW.entry = OLD.entry OR NEW.id <> OLD.id)) THEN
    RAISE EXCEPTION '% of % without a log entry is refused', TG_OP, TG_TABLE_NAME
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$
"""
KEEPS_BYTES = """
CREATE FUNCTION keep_mutation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.raw, NEW.hash, NEW.device_id, NEW.received_at)
      IS DISTINCT FROM (OLD.raw, OLD.hash, OLD.device_id, OLD.received_at)
      OR NEW.n IS DISTINCT FROM OLD.n OR NEW.id IS DISTINCT FROM OLD.id THEN
    RAISE EXCEPTION 'what a device sent is not changed' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$
"""


def upgrade() -> None:
    for function in (REFUSE, NEEDS_ENTRY, KEEPS_BYTES):
        op.execute(function)
    for table in WRITTEN_ONCE:
        _refuse(table, "UPDATE OR DELETE")
    for table in NEVER_DELETED:
        _refuse(table, "DELETE")
    _refuse("audit_opening", "UPDATE")
    for table in AUDITED:
        op.execute(
            f"CREATE TRIGGER needs_entry BEFORE INSERT OR UPDATE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION require_entry()"
        )
    op.execute(
        "INSERT INTO installation (id, epoch, created_at) VALUES (1, gen_random_uuid(), now())"
    )
    op.execute(
        "CREATE TRIGGER keeps_bytes BEFORE UPDATE ON mutation "
        "FOR EACH ROW EXECUTE FUNCTION keep_mutation()"
    )


def _refuse(table: str, rows: str) -> None:
    op.execute(
        f"CREATE TRIGGER keeps_rows BEFORE {rows} ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    if "DELETE" in rows:
        op.execute(
            f"CREATE TRIGGER keeps_table BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    op.execute("DELETE FROM installation")
    for table in AUDITED:
        op.execute(f"DROP TRIGGER needs_entry ON {table}")
    op.execute("DROP TRIGGER keeps_bytes ON mutation")
    op.execute("DROP TRIGGER keeps_rows ON audit_opening")
    for table in (*WRITTEN_ONCE, *NEVER_DELETED):
        op.execute(f"DROP TRIGGER keeps_rows ON {table}")
        op.execute(f"DROP TRIGGER keeps_table ON {table}")
    for name in ("keep_mutation", "require_entry", "refuse_change"):
        op.execute(f"DROP FUNCTION {name}()")
