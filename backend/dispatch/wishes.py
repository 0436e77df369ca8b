"""What a customer asks for on the tracking page: written down, and a person or the driver told.

A wish moves nothing by itself. A safe place reaches the driver's manifest; another day and a
dispute are for a supervisor to decide.
"""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from backend.audit.record import Event, record
from backend.dispatch.inbox import open_item
from backend.domain.inbox import InboxKind
from backend.domain.people import Actor, ActorType
from backend.store import intake, tracking
from backend.store.database import Tx
from backend.tables.consignments import Consignment
from backend.tables.stops import Stop


@dataclass(frozen=True, slots=True)
class Asking:
    """Whose goods it is about, and at which visit; ``wish`` makes each asking one of its own."""

    consignment_id: UUID
    depot_id: UUID
    stop_id: UUID | None
    wish: UUID

    @property
    def actor(self) -> Actor:
        """How the log names whoever holds the link."""
        return Actor(ActorType.CUSTOMER, str(self.consignment_id))


async def choose_safe_place(tx: Tx, asking: Asking, place: str) -> None:
    """Keep where goods may be left, and put it on the driver's manifest."""
    await intake.lock(tx, [asking.consignment_id])
    await _note(tx, asking, "consignment.safe_place_chosen", {"safe_place": place})
    for stop_id in await intake.on_manifests(tx, asking.consignment_id):
        await record(tx, asking.actor, Event("stop.contact_changed", Stop, stop_id))


async def ask_for_another_day(tx: Tx, asking: Asking, day: date | None, note: str | None) -> None:
    """Ask a supervisor for another day."""
    await _note(tx, asking, "consignment.reschedule_requested", {})
    await _ask(
        tx, asking, InboxKind.RESCHEDULE, f"The customer asks for {day or 'another day'}", note
    )


async def dispute(tx: Tx, asking: Asking, note: str | None) -> None:
    """Say that the goods did not arrive as the record says."""
    await _note(tx, asking, "consignment.disputed", {})
    await _ask(tx, asking, InboxKind.DISPUTE, "The customer disputes the delivery", note)


async def _note(tx: Tx, asking: Asking, action: str, change: dict[str, object]) -> None:
    await tracking.lock_consignment(tx, asking.consignment_id)
    await record(tx, asking.actor, Event(action, Consignment, asking.consignment_id, change))
    await tx.flush()


async def _ask(tx: Tx, asking: Asking, kind: InboxKind, what: str, note: str | None) -> None:
    """Open one item for each asking; the customer's own words stay short."""
    await open_item(
        tx,
        kind=kind,
        subject=f"{kind}:{asking.consignment_id}:{asking.wish}",
        detail=f"{what}: {note}" if note else what,
        depot_id=asking.depot_id,
        stop_id=asking.stop_id,
    )
