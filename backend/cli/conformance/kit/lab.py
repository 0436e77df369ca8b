"""Everything the checks share: the server, its round, its phones; and the list of checks."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPException

from backend.cli.conformance.kit.phone import Phone
from backend.cli.conformance.kit.round import Round
from backend.cli.conformance.kit.verdict import (
    CannotBegin,
    Deviation,
    NotTried,
    Result,
    Verdict,
    expect,
)
from backend.cli.conformance.kit.wire import Answer, Json, Wire

ENROL = "/driver/v1/devices"


@dataclass(slots=True)
class Lab:
    """The tried server and what a check may use of it."""

    wire: Wire
    round: Round
    enrolments: list[tuple[str, Answer]] = field(default_factory=list)
    _codes: list[str] = field(init=False)
    _others: list[str] = field(init=False)
    _phone: Phone | None = None
    _other: Phone | None = None

    def __post_init__(self) -> None:
        """Take the codes, which count once."""
        self._codes = list(self.round.codes)
        self._others = list(self.round.others)

    @property
    def phone(self) -> Phone:
        """The first driver's phone, enrolled when it is first needed."""
        if self._phone is None:
            self._phone = self.enrolled()
        return self._phone

    @property
    def other(self) -> Phone:
        """Another driver's phone."""
        if self._other is None:
            if not self._others:
                raise NotTried("needs an enrolment code of a second driver")
            self._other = self._enrol(self._others.pop(0), {})
        return self._other

    def enrolled(self, **device: str) -> Phone:
        """Another phone of the first driver."""
        if not self._codes:
            raise NotTried("needs another enrolment code of the first driver")
        return self._enrol(self._codes.pop(0), device)

    def control(self, method: str, path: str, body: Json | None = None) -> Answer:
        """Call the control room's contract."""
        if self.round.control is None:
            raise NotTried("needs the control room: a person's token in the round's description")
        return self.round.control.ask(method, path, body)

    def _enrol(self, code: str, device: dict[str, str]) -> Phone:
        said = {"platform": "conformance", "model": "kit", "app_version": "1", **device}
        answer = self.wire.ask("POST", ENROL, as_bytes({"code": code, "device": said}), JSON)
        if answer.status == 429 and not self.enrolments:
            wait = answer.headers.get("retry-after", "some")
            raise CannotBegin(f"nobody at this address may enrol at present: wait {wait} seconds")
        self.enrolments.append((code, answer))
        expect(answer.status == 201, "201 for a fresh enrolment code", answer)
        return Phone(self.wire, answer.json)


JSON = {"Content-Type": "application/json"}
Body = Callable[[Lab], None]


@dataclass(frozen=True, slots=True)
class Check:
    """One rule that can be observed."""

    number: str
    rule: str
    body: Body


CHECKS: list[Check] = []


def check(number: str, rule: str) -> Callable[[Body], Body]:
    """List a check under the number that the protocol's page cites."""

    def listed(body: Body) -> Body:
        CHECKS.append(Check(number, rule, body))
        return body

    return listed


def try_all(lab: Lab, only: Iterable[str] = ()) -> Iterator[Result]:
    """Run the checks in the order of the contract, those that lock callers out at the end.

    Raises:
        CannotBegin: nothing answers, or nobody may enrol.
    """
    wanted = tuple(only)
    _knock(lab.wire)
    for each in sorted(CHECKS, key=_rank):
        if not wanted or each.number.startswith(wanted):
            yield _try(lab, each)


def _rank(each: Check) -> tuple[bool, list[tuple[int, str]]]:
    parts = [
        (int("".join(filter(str.isdigit, part)) or 0), part) for part in each.number.split(".")
    ]
    return each.number in LAST, parts


# Five wrong codes shut the door on everybody at this address for a while.
LAST = {"1.3"}


def _knock(wire: Wire) -> None:
    try:
        wire.ask("OPTIONS", "/driver/v1/evidence")
    except _NO_REPLY as error:
        raise CannotBegin(f"no server answers at {wire.url}: {error}") from error


_NO_REPLY = (OSError, HTTPException, UnicodeError)  # the last one of names that are none


def _try(lab: Lab, each: Check) -> Result:
    lab.wire.said = ""
    try:
        if lab.round.codes and not each.number.startswith(("0.1", "1.1")):
            lab.phone.settle()
        each.body(lab)
    except NotTried as reason:
        return Result(each.number, each.rule, Verdict.SKIPPED, came=str(reason))
    except Deviation as found:
        said = lab.wire.said
        return Result(each.number, each.rule, Verdict.FAILED, said, found.expected, found.came)
    except (*_NO_REPLY, KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        came, form = f"{type(error).__name__}: {error}", "a reply of the contract's form"
        return Result(each.number, each.rule, Verdict.FAILED, lab.wire.said, form, came)
    return Result(each.number, each.rule, Verdict.PASSED)


def as_bytes(value: object) -> bytes:
    """JSON bytes."""
    return json.dumps(value).encode()
