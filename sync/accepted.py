"""What a revoked device told may count all the same, where a person takes it over.

The driver did it before anybody thought of revoking; it is judged as of then.
"""

from uuid import UUID

from backend.keys import Keys
from backend.store import devices, mutations
from backend.store.database import Tx
from sync.again import SecondLook


async def accept(tx: Tx, keys: Keys, device_id: UUID | None, mutation_id: UUID | None) -> None:
    """Judge an act that was quarantined for its device; harmless where that was done before.

    An act that the driver's next device has told meanwhile has happened already.
    """
    if device_id is None or mutation_id is None:
        return
    journal = await devices.lock_journal(tx, device_id)
    row = await mutations.of_revoked(tx, device_id, mutation_id)
    if journal is None or row is None or await _is_told(tx, device_id, mutation_id):
        return
    await SecondLook.at(tx, keys, journal).accept(row)
    devices.keep_journal(tx, journal)


async def _is_told(tx: Tx, device_id: UUID, mutation_id: UUID) -> bool:
    told = await mutations.answered(tx, device_id, (), (), (mutation_id,))
    return any(
        each.numbered and each.device_id != device_id and each.receipt["code"] != "device_revoked"
        for each in told
    )
