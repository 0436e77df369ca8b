"""No silent change: a flush that alters an audited row without an entry is refused.

``record`` changes rows that exist past the session, so whatever the session itself wants to change
is silent; a new row counts if ``record`` made it. The database refuses the same once more (a
deferred key from row to entry, and triggers); this guard says so earlier and with a name.
"""

from sqlalchemy import event
from sqlalchemy.orm import Session, UOWTransaction

from backend.audit.record import RECORDED
from backend.tables.base import Audited


class SilentChange(RuntimeError):
    """An audited row is about to change and no entry says so: a mistake in our own code."""


def _refuse_silence(session: Session, _context: UOWTransaction, _instances: object) -> None:
    recorded = session.info.get(RECORDED, {})
    for row in (*session.new, *session.dirty, *session.deleted):
        if not isinstance(row, Audited):
            continue
        if row in session.deleted:
            raise SilentChange(
                f"{row.__entity__} {row.id} is to be deleted; the log keeps everything"
            )
        if row in session.new and recorded.get((row.__entity__, row.id)) is row:
            continue
        if session.is_modified(row):
            raise SilentChange(f"{row.__entity__} {row.id} changed without an entry")


def stand_guard() -> None:
    """Watch every session of this process; standing guard twice is harmless."""
    if not event.contains(Session, "before_flush", _refuse_silence):
        event.listen(Session, "before_flush", _refuse_silence)
