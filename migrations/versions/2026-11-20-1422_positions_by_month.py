"""Positions, third of three: months are partitions, and each driver's newest fix is at hand.

The table as it was becomes the partition of everything up to this month's end; as its end has been
checked, attaching it reads nothing. The foreign key to devices goes: it locked a device's row for
every fix, and devices are never deleted.

Going back copies all fixes into one table; the lane waits for that, nothing else does.

Revision ID: 202611201422
Revises: 202611201421
"""

import sqlalchemy as sa
from alembic import op

revision = "202611201422"
down_revision = "202611201421"
branch_labels = None
depends_on = None

ENDS = r"""
SELECT substring(pg_get_constraintdef(oid) FROM '''([0-9-]+ [0-9:+]+)''')
  FROM pg_constraint WHERE conname = 'ck_position_ends'
"""
NEWEST = """
INSERT INTO last_fix (driver_id, device_id, at, lat, lon, accuracy_m, speed, mock)
SELECT DISTINCT ON (device.driver_id) device.driver_id, fix.*
  FROM device CROSS JOIN LATERAL (
    SELECT * FROM position WHERE position.device_id = device.id AND at <= now()
     ORDER BY at DESC LIMIT 1) AS fix
 ORDER BY device.driver_id, fix.at DESC
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL timezone = 'UTC'")
    ends = op.get_bind().scalar(sa.text(ENDS))
    op.execute("ALTER TABLE position RENAME TO position_before")
    op.execute("ALTER TABLE position_before RENAME CONSTRAINT pk_position TO pk_position_before")
    op.execute("ALTER TABLE position_before DROP CONSTRAINT fk_position_device_id")
    op.execute(
        "CREATE TABLE position (LIKE position_before INCLUDING DEFAULTS, "
        "CONSTRAINT pk_position PRIMARY KEY (device_id, at)) PARTITION BY RANGE (at)"
    )
    op.execute(
        "ALTER TABLE position ATTACH PARTITION position_before "
        f"FOR VALUES FROM (MINVALUE) TO ('{ends}')"
    )
    op.execute("ALTER TABLE position ATTACH PARTITION position_default DEFAULT")
    op.execute("ALTER TABLE position_before DROP CONSTRAINT ck_position_ends")
    op.create_table(
        "last_fix",
        sa.Column("driver_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lat", sa.Float(), nullable=False),
        sa.Column("lon", sa.Float(), nullable=False),
        sa.Column("accuracy_m", sa.Float(), nullable=False),
        sa.Column("speed", sa.Float(), nullable=True),
        sa.Column("mock", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["driver_id"], ["driver.id"], name=op.f("fk_last_fix_driver_id")),
        sa.PrimaryKeyConstraint("driver_id", name=op.f("pk_last_fix")),
    )
    op.execute(NEWEST)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("last_fix")
    op.execute("LOCK TABLE position IN EXCLUSIVE MODE")
    op.execute("CREATE TABLE position_all (LIKE position INCLUDING DEFAULTS)")
    op.execute("INSERT INTO position_all SELECT * FROM position")
    op.execute("DROP TABLE position")
    op.execute("ALTER TABLE position_all RENAME TO position")
    op.execute("ALTER TABLE position ADD CONSTRAINT pk_position PRIMARY KEY (device_id, at)")
    op.execute(
        "ALTER TABLE position ADD CONSTRAINT fk_position_device_id "
        "FOREIGN KEY (device_id) REFERENCES device (id)"
    )
    op.execute("CREATE TABLE position_default (LIKE position INCLUDING DEFAULTS)")
    op.execute("ALTER TABLE position_default ADD CONSTRAINT pk_position_default PRIMARY KEY (device_id, at)")
