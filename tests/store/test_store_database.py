"""What the database says when it refuses: enough to find the fault, and nobody's secret."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from backend.store.database import Database

pytestmark = pytest.mark.anyio


async def test_an_error_does_not_tell_what_was_to_be_stored(db: Database) -> None:
    """The text of an error goes into logs; the values of the statement stay out of it."""
    with pytest.raises(IntegrityError) as caught:
        async with db.begin() as tx:
            statement = text("INSERT INTO device_journal (device_id, acked_n) VALUES (:id, :n)")
            await tx.execute(statement, {"id": "00000000-0000-7000-8000-00000c0de123", "n": 1})
    assert "INSERT INTO device_journal" in str(caught.value)
    assert "[parameters" not in str(caught.value)
