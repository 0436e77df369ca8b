"""Who acts, and what the three roles of the control room may do."""

from dataclasses import dataclass
from enum import StrEnum


class ActorType(StrEnum):
    """Kinds of actor an audit entry can name."""

    DRIVER = "driver"
    PERSON = "person"
    CUSTOMER = "customer"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it: type, id, and the device where there is one."""

    type: ActorType
    id: str
    device: str | None = None


SYSTEM = Actor(ActorType.SYSTEM, "doorstep")


class Role(StrEnum):
    """Roles of people; drivers are not people with a role but devices with a driver."""

    SUPERVISOR = "supervisor"
    COMPLIANCE = "compliance"
    ADMIN = "admin"
