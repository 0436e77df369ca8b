"""An entry of the log: its canonical bytes (RFC 8785), which are stored, hashed and exported.

Only strings, integers below 2^53, booleans, null, lists and objects go in, because every reader in
every language gives those back exactly. Personal values go in as commitments: the HMAC of the value
under a salt of its own, so that deleting the salt leaves nothing to guess from.
"""

from collections.abc import Mapping

from msgspec import Struct, field

from backend.audit import verify
from backend.audit.verify import LINE_LIMIT, Json, as_entry, commitment, leaf_hash, read_entry
from backend.wire.canonical import quickly

__all__ = ["ActorRef", "Entry", "Value", "canonical", "commitment", "leaf_hash"]

Value = Json


class ActorRef(Struct, frozen=True):
    """Who did it, as the log writes it."""

    type: str
    id: str
    device: str | None = None


class Entry(Struct, frozen=True):
    """One change of one entity, in the log's words; times and ids are already text.

    ``change`` holds ``[before, after]`` per field, ``pii`` a commitment per personal field,
    ``prev`` the leaf hash (hex) of the entity's previous entry.
    """

    id: str
    n: int
    entity: str
    entity_id: str
    action: str
    actor: ActorRef
    at: str
    occurred: str | None = None
    request: str | None = None
    cause: str | None = None
    change: Mapping[str, list[Value]] = field(default_factory=dict)
    pii: Mapping[str, str] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()
    prev: str | None = None


def canonical(entry: Entry) -> bytes:
    """Write an entry's bytes; the verifier's own grammar has the last word on them.

    What is plain is written fast, and judged before it is written; what is not is written by the
    verifier and read back.

    Raises:
        ValueError: the verifier would refuse what was put into the entry.
    """
    members = _members(entry)
    data = quickly(members, whole=True)
    if data is None:
        data = verify.canonical(members)
        read_entry(data)
    else:
        as_entry(members)
    if len(data) >= LINE_LIMIT:
        raise ValueError(f"an entry of {len(data)} bytes is too large for the log")
    return data


def _members(entry: Entry) -> dict[str, Value]:
    """Lay out an entry's members; optional ones are there only when they say something."""
    actor: dict[str, Value] = {"type": entry.actor.type, "id": entry.actor.id}
    if entry.actor.device is not None:
        actor["device"] = entry.actor.device
    members: dict[str, Value] = {
        "v": 1,
        "id": entry.id,
        "n": entry.n,
        "entity": entry.entity,
        "entity_id": entry.entity_id,
        "action": entry.action,
        "actor": actor,
        "at": entry.at,
        "change": {name: list(pair) for name, pair in entry.change.items()},
        "pii": dict(entry.pii),
        "evidence": list(entry.evidence),
        "prev": entry.prev,
    }
    optional = (("occurred", entry.occurred), ("request", entry.request), ("cause", entry.cause))
    return members | {name: text for name, text in optional if text is not None}
