"""What must follow where a fact contradicted what was decided: somebody's task, once per cause."""

from enum import StrEnum


class FollowUpKind(StrEnum):
    """What is to be done."""

    RETURN = "return"
    CREDIT = "credit"
    RE_DISPATCH = "re_dispatch"
    DUPLICATE_DELIVERY = "duplicate_delivery"
    CALL = "call"


class FollowUpState(StrEnum):
    """Whether it was."""

    OPEN = "open"
    DONE = "done"
