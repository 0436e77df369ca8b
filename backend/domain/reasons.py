"""Why a visit failed, and why a supervisor overrode one: two closed catalogues.

The first travels in every manifest (the entity ``reasons``); ``needs`` tells the app what to ask
the driver for. The second is what an override must name, with the ends each reason can justify.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from backend.domain.policy import EvidenceKind as E


@dataclass(frozen=True, slots=True)
class ExceptionReason:
    """Why goods were not delivered."""

    code: str
    label: str
    needs: tuple[E, ...] = ()


@dataclass(frozen=True, slots=True)
class OverrideReason:
    """Why the control room changed a stop, and to which ends it may."""

    code: str
    label: str
    to: tuple[str, ...]


Reason = TypeVar("Reason", ExceptionReason, OverrideReason)


def _by_code(*reasons: Reason) -> MappingProxyType[str, Reason]:
    return MappingProxyType({reason.code: reason for reason in reasons})


EXCEPTION_REASONS = _by_code(
    ExceptionReason("not_home", "Nobody at home", (E.PHOTO,)),
    ExceptionReason("refused", "Recipient refused", (E.NOTE,)),
    ExceptionReason("wrong_address", "Address wrong or not found", (E.PHOTO, E.NOTE)),
    ExceptionReason("damaged", "Goods damaged", (E.PHOTO, E.NOTE)),
    ExceptionReason("missing", "Parcel missing from the van", (E.NOTE,)),
    ExceptionReason("access", "No access to the building", (E.PHOTO,)),
    ExceptionReason("closed", "Business closed", (E.PHOTO,)),
    ExceptionReason("unsafe", "Unsafe to deliver", (E.NOTE,)),
    ExceptionReason("id_failed", "Recipient could not prove who they are", (E.NOTE,)),
    ExceptionReason("out_of_time", "Shift ended before the visit"),
)

OVERRIDE_REASONS = _by_code(
    OverrideReason("customer_confirmed", "Customer confirmed receipt by phone", ("delivered",)),
    OverrideReason(
        "driver_confirmed", "Driver confirmed, phone lost or broken", ("delivered", "failed")
    ),
    OverrideReason("evidence_elsewhere", "Proof exists on paper or elsewhere", ("delivered",)),
    OverrideReason("customer_cancelled", "Customer cancelled", ("cancelled",)),
    OverrideReason("address_unreachable", "Address cannot be reached today", ("failed",)),
    OverrideReason("goods_lost", "Goods lost or stolen", ("failed", "cancelled")),
    OverrideReason("goods_damaged", "Goods damaged before the visit", ("failed", "cancelled")),
    OverrideReason("vehicle_breakdown", "Vehicle broke down", ("failed", "released")),
    OverrideReason("try_again", "To be tried again on this route", ("released",)),
    OverrideReason(
        "correction",
        "Correction of a mistake",
        ("delivered", "failed", "cancelled", "released"),
    ),
)
