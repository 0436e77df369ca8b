"""Which segment a consignment belongs to when its sender does not say.

The rules are data: ``[[assign]]`` tables of ``segments.toml``, tried in their order. All conditions
a rule states must hold; a rule that states none takes everything.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass

from backend.domain.form import Form
from backend.errors import InputError, Malformed

_MOST = 200


class AssignmentInvalid(Malformed):
    """The rules have faults; ``errors`` names each with its pointer."""

    code = "assignment_invalid"
    title = "The rules that assign segments are not what is expected"


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What the rules may look at."""

    service: str | None = None
    customer: str | None = None
    value: float | None = None
    handling: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AssignRule:
    """One rule; an absent condition holds for everything."""

    segment: str
    service: tuple[str, ...] = ()
    customer: tuple[str, ...] = ()
    min_value: int | None = None
    handling: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """Say in words what the rule looks at."""
        stated = (
            ("service", bool(self.service)),
            ("customer", bool(self.customer)),
            ("value", self.min_value is not None),
            ("handling", bool(self.handling)),
        )
        return " and ".join(name for name, there in stated if there) or "default"

    def takes(self, order: OrderFacts) -> bool:
        """Whether every stated condition holds."""
        return (
            (not self.service or order.service in self.service)
            and (not self.customer or order.customer in self.customer)
            and (self.min_value is None or (order.value or 0) >= self.min_value)
            and (not self.handling or not order.handling.isdisjoint(self.handling))
        )


def assign(rules: Sequence[AssignRule], order: OrderFacts) -> AssignRule | None:
    """Return the first rule that takes the order, or None where none does."""
    return next((rule for rule in rules if rule.takes(order)), None)


def parse_assignments(toml: str) -> tuple[AssignRule, ...]:
    """Return the rules in the text of ``segments.toml``.

    Raises:
        AssignmentInvalid: with every fault and its pointer.
    """
    return read_assignments(tomllib.loads(toml).get("assign", []))


def read_assignments(raw: object) -> tuple[AssignRule, ...]:
    """Return the rules in a list of tables, as ``segments.toml`` and the database hold them.

    Raises:
        AssignmentInvalid: with every fault and its pointer.
    """
    faults: list[InputError] = []
    tables = Form({"assign": raw}, "", faults).forms("assign", _MOST)
    rules = tuple(_rule(form) for form in tables)
    if faults:
        raise AssignmentInvalid(errors=faults)
    return rules


def assignments_to_wire(rules: Sequence[AssignRule]) -> list[dict[str, object]]:
    """Return the rules as ``read_assignments`` takes them."""
    return [
        {
            "segment": rule.segment,
            **({"service": list(rule.service)} if rule.service else {}),
            **({"customer": list(rule.customer)} if rule.customer else {}),
            **({"min_value": rule.min_value} if rule.min_value is not None else {}),
            **({"handling": list(rule.handling)} if rule.handling else {}),
        }
        for rule in rules
    ]


def _rule(form: Form) -> AssignRule:
    rule = AssignRule(
        segment=form.text("segment", 40),
        service=form.slugs("service", _MOST) if form.has("service") else (),
        customer=_texts(form, "customer"),
        min_value=form.integer("min_value", 0, 10**9) if form.has("min_value") else None,
        handling=form.slugs("handling", _MOST) if form.has("handling") else (),
    )
    form.close()
    return rule


def _texts(form: Form, name: str) -> tuple[str, ...]:
    if not form.has(name):
        return ()
    values = form.sequence(name, _MOST)
    found = tuple(value for value in values if isinstance(value, str))
    if len(found) < len(values):
        form.fault(name, "type", "must be a list of texts")
    return found
