"""What the manifest's proof rules still miss, told to the driver before he leaves the door.

All rules whose `when` matches add up. The phone only advises: the server judges, and a delivery
that lacks something is still a delivery.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from handset.manifest import AnyOfItem, Requirement, Rule, Stop

_OUTCOMES = {"stop.delivered": "delivered", "stop.failed": "failed"}


@dataclass(frozen=True, slots=True)
class Missing:
    """One unmet requirement; more than one name means that any of them would do."""

    any_of: tuple[str, ...]
    level: str
    have: int = 0
    need: int = 1


def missing(
    stop: Stop,
    outcome: str,
    have: Mapping[str, int],
    *,
    method: str | None = None,
    reason: str | None = None,
) -> list[Missing]:
    """What is lacking for this outcome, given how many pieces of each evidence there are."""
    facts = {"method": method, "reason": reason}
    rules = stop.proof_rules.get(_OUTCOMES.get(outcome, outcome), [])
    asked = [ask for rule in rules if _applies(rule, facts) for ask in rule.require]
    return [_lack(ask, have) for ask in asked if not _met(ask, have)]


def _applies(rule: Rule, facts: Mapping[str, str | None]) -> bool:
    return all(_one_of(facts.get(name), wanted) for name, wanted in rule.when.items())


def _one_of(value: str | None, wanted: str | list[str] | None) -> bool:
    if not wanted:
        return True
    return value == wanted if isinstance(wanted, str) else value in wanted


def _met(ask: AnyOfItem, have: Mapping[str, int]) -> bool:
    if isinstance(ask, str):
        return have.get(ask, 0) >= 1
    if ask.any_of is None:
        return have.get(ask.evidence or "", 0) >= ask.min
    if any(_met(item, have) for item in ask.any_of):
        return True
    return bool(ask.otherwise) and all(_met(item, have) for item in ask.otherwise or ())


def _lack(ask: Requirement, have: Mapping[str, int]) -> Missing:
    names = tuple(_name(item) for item in ask.any_of) if ask.any_of else (ask.evidence or "",)
    return Missing(names, ask.level, max(have.get(name, 0) for name in names), ask.min)


def _name(item: AnyOfItem) -> str:
    return item if isinstance(item, str) else item.evidence or ""


def count(
    *,
    photos: int = 0,
    signature: bool = False,
    code: bool = False,
    door_token: bool = False,
    name: bool = False,
    note: bool = False,
    fix: bool = False,
    scans: int = 0,
) -> Counter[str]:
    """How many pieces of each kind of evidence there are, in the contract's words."""
    return Counter(
        photo=photos,
        signature=int(signature),
        code=int(code),
        door_token=int(door_token),
        name=int(name),
        note=int(note),
        fix=int(fix),
        scan=scans,
    )
