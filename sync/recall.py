"""What was taken in before, as far as a chunk touches it."""

from collections.abc import Sequence

import msgspec

from backend.identity.callers import CallingDevice
from backend.store import mutations
from backend.store.database import Tx
from sync.mutations import Heard
from sync.numbering import Memory, Stored
from sync.receipts import Receipt


async def recall(tx: Tx, device: CallingDevice, batch: Sequence[Heard], acked_n: int) -> Memory:
    """Read what was taken in before, as far as this chunk touches it.

    A number that was not heard of yet can only be known by its id.
    """
    past = [heard for heard in batch if heard.n is None or heard.n <= acked_n]
    known = await mutations.answered(
        tx,
        device.id,
        {heard.n for heard in past if heard.n is not None},
        {heard.hash for heard in past},
        {heard.id for heard in batch if heard.id is not None},
    )
    memory = Memory(closed=await mutations.closed_ranges(tx, device.id) if past else [])
    for row in known:
        stored = Stored(row.hash, msgspec.convert(row.receipt, Receipt))
        if not row.numbered and row.id and row.driver_id == device.driver_id:
            memory.aside.setdefault(row.id, []).append((row.device_id, row.hash))
        if row.device_id != device.id:
            _recall_elsewhere(memory, device, row, stored)
        elif row.numbered and row.n is not None:
            memory.by_number[row.n] = stored
            memory.taken_ids |= {row.id} if row.id else set()
        else:
            memory.beside[row.hash] = stored
    return memory


def _recall_elsewhere(
    memory: Memory, device: CallingDevice, row: mutations.Answered, stored: Stored
) -> None:
    """An id that another device brought in: the same driver's is a repeat of its first taking."""
    if row.id is None or not row.numbered:
        return
    if row.driver_id == device.driver_id:
        memory.by_id.setdefault(row.id, stored)
    else:
        memory.foreign_ids.add(row.id)
