"""A route sets out: those whose visit is still to come are told, as their segment asks."""

from uuid import UUID

from backend.domain.policy import Milestone
from backend.notify import tell
from backend.store import dispatch as store
from backend.store import segments
from backend.store.database import Tx


async def tell_of_departure(tx: Tx, route_id: UUID) -> None:
    """Leave a message for every customer on the route whose goods are on their way."""
    for stop, consignment in await store.open_visits(tx, route_id):
        policy = await segments.policy(tx, stop.segment, stop.policy_version)
        tell(tx, policy, Milestone.STARTED, consignment, stop.id)
