"""The sequencer: pending entries become leaves of the tree, and the tree's root is signed.

Entries get their places after their transactions committed, so writers never wait for one another.
Two sealers exclude one another by the tree's row; were that lock ever lost, the compare-and-set on
the tree's size still lets only one of them win. An entity's entries enter in the order of its
versions. Bytes that no longer fit their hash are set aside, loudly, and block nobody.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from backend.audit.checkpoint import Signer
from backend.audit.merkle import Frontier
from backend.audit.verify import leaf_hash
from backend.store import log
from backend.store.database import Database, Tx, moment

BATCH = 1024

logger = logging.getLogger(__name__)


class TreeMovedError(RuntimeError):
    """Another sealer moved the tree under our lock; nothing of our batch was kept."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """How many entries were sealed, how many set aside, and the checkpoint over all."""

    entries: int
    aside: int
    size: int
    note: str


async def seal(db: Database, signer: Signer) -> Sealed:
    """Seal everything that is pending, batch by batch, and sign the tree."""
    entries = aside = 0
    async with db.snapshot() as tx:
        waiting = await log.anything_pending(tx)
    while waiting:
        async with db.begin() as tx:
            taken, refused = await seal_batch(tx, signer.key.name)
        entries, aside = entries + taken, aside + refused
        waiting = taken + refused >= BATCH
    size, note = await sign(db, signer)
    return Sealed(entries, aside, size, note)


async def seal_batch(tx: Tx, origin: str, limit: int = BATCH) -> tuple[int, int]:
    """Seal one batch; return how many entries were sealed and how many set aside.

    Raises:
        TreeMovedError: the tree is no longer where we found it.
    """
    size, nodes = await log.lock_tree(tx, origin)
    claimed = await log.claim(tx, limit)
    if len(claimed) >= limit:
        claimed = await _with_predecessors(tx, claimed)
    good = [item for item in claimed if _fits(item)]
    if len(good) < len(claimed):
        await _set_aside(tx, [item for item in claimed if not _fits(item)])
    if good:
        frontier = Frontier.load(size, nodes)
        for item in (ordered := in_chain_order(good)):
            frontier.append(item.leaf_hash)
        await log.add_leaves(tx, size, ordered)
        if not await log.advance_tree(tx, origin, size, frontier.size, frontier.dump()):
            raise TreeMovedError(origin)
    return len(good), len(claimed) - len(good)


def _fits(item: log.Waiting) -> bool:
    return leaf_hash(item.leaf) == item.leaf_hash


async def _with_predecessors(tx: Tx, claimed: list[log.Waiting]) -> list[log.Waiting]:
    """Add entries that the batch's end cut off from their successors.

    Ids follow the writers' clocks: with two servers, a successor may have the smaller id.
    """
    known = {item.id: item for item in claimed}
    fresh = claimed
    while fresh:
        before = await log.claim_predecessors(tx, fresh)
        fresh = [item for item in before if item.id not in known]
        known |= {item.id: item for item in fresh}
    return list(known.values())


def in_chain_order(entries: Sequence[log.Waiting]) -> list[log.Waiting]:
    """Order by id, but let each entity's entries take their places by version."""
    by_id = sorted(entries, key=lambda item: item.id)
    chains: dict[tuple[str, str], list[log.Waiting]] = defaultdict(list)
    for item in by_id:
        chains[item.entity, item.entity_id].append(item)
    queues = {key: iter(sorted(chain, key=lambda item: item.n)) for key, chain in chains.items()}
    return [next(queues[item.entity, item.entity_id]) for item in by_id]


async def _set_aside(tx: Tx, entries: Sequence[log.Waiting]) -> None:
    for item in entries:
        logger.critical(
            "audit entry %s about %s %s no longer fits its hash: somebody changed it; set aside",
            item.id,
            item.entity,
            item.entity_id,
        )
    await log.quarantine(tx, [item.id for item in entries])


async def sign(db: Database, signer: Signer) -> tuple[int, str]:
    """Sign the tree as it stands and keep the checkpoint; return its size and note.

    Signatures are deterministic and the tree only grows, so whoever signs a size signs the same.
    """
    async with db.begin() as tx:
        size, nodes = await log.tree(tx, signer.key.name)
        note = await log.checkpoint(tx, size)
        if note is None:
            note = signer.sign(size, Frontier.load(size, nodes).root())
            await log.keep_checkpoint(tx, size, note, moment(tx))
    return size, note
