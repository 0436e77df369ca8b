"""How a check ends, and what of it is shown."""

from dataclasses import dataclass
from enum import StrEnum

_LONG = 600


class Deviation(Exception):
    """The server (or the app) did something else than the contract says."""

    def __init__(self, expected: str, came: object) -> None:
        super().__init__(f"expected {expected}, came {came}")
        self.expected, self.came = expected, str(came)[:_LONG]


class NotTried(Exception):
    """The check needs something that the round does not offer."""


class CannotBegin(Exception):
    """No check means anything: nothing answers there, or nobody is let in at present."""


class Verdict(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the report."""

    number: str
    rule: str
    verdict: Verdict
    sent: str = ""
    expected: str = ""
    came: str = ""


def expect(truth: object, expected: str, came: object) -> None:
    """Go on only if it is so.

    Raises:
        Deviation: it is not.
    """
    if not truth:
        raise Deviation(expected, came)


def expect_equal(came: object, expected: object, what: str) -> None:
    """Go on only if two values are the same.

    Raises:
        Deviation: they are not.
    """
    expect(came == expected, f"{what} = {expected!r}", f"{came!r}")
