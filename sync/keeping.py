"""What is kept of a mutation once it was answered: how it was read, and the answer."""

from typing import Any

import msgspec

from backend.tables.mutations import Mutation as MutationRow
from sync.mutations import Heard, Mutation
from sync.receipts import Receipt


def answer_anew(row: MutationRow, heard: Heard, answered: Receipt) -> None:
    """The number, the bytes and the order stay; only the answer changes."""
    for name, value in told(heard, answered).items():
        setattr(row, name, value)
    row.receipt = msgspec.to_builtins(to_keep(heard, answered))


def told(heard: Heard, answered: Receipt) -> dict[str, Any]:
    """Return the columns that say what a mutation was read as, and what became of it."""
    frame = heard.read.frame if isinstance(heard.read, Mutation) else None
    return {
        "kind": heard.kind,
        "stop_id": frame.stop_id if frame else None,
        "route_id": frame.route_id if frame else None,
        "outcome": answered.outcome.value,
        "code": answered.code,
    }


def to_keep(heard: Heard, answered: Receipt) -> Receipt:
    """The id is echoed from what was sent; one that is none may be text that no column holds."""
    known = str(heard.id) if heard.id else None
    return msgspec.structs.replace(answered, id=known, duplicate=False)
