"""A segment: customers and goods that are treated alike, by a versioned policy.

This is the door to everything about policies: the values live in ``policy``, reading and writing
them in ``policy_form``. Any event is judged by the version the driver held.
"""

import tomllib
from dataclasses import dataclass

from backend.domain.policy import (
    Alerts,
    Attempts,
    Channel,
    CodePolicy,
    CustomerAction,
    EtaShown,
    EvidenceKind,
    Fallback,
    Level,
    ManifestLook,
    Method,
    Milestone,
    Outcome,
    Piece,
    Policy,
    Promise,
    Requirement,
    Retention,
    Rule,
    Tracking,
    When,
)
from backend.domain.policy_form import (
    PolicyInvalid,
    parse_policy,
    policy_to_wire,
    proof_rules_to_wire,
)

__all__ = [
    "Alerts",
    "Attempts",
    "Channel",
    "CodePolicy",
    "CustomerAction",
    "EtaShown",
    "EvidenceKind",
    "Fallback",
    "Level",
    "ManifestLook",
    "Method",
    "Milestone",
    "Outcome",
    "Piece",
    "Policy",
    "PolicyInvalid",
    "Promise",
    "Requirement",
    "Retention",
    "Rule",
    "Segment",
    "Tracking",
    "When",
    "parse_policy",
    "parse_segments",
    "policy_to_wire",
    "proof_rules_to_wire",
    "rules_for",
]


@dataclass(frozen=True, slots=True)
class Segment:
    """One version of one segment."""

    code: str
    version: int
    policy: Policy


def rules_for(
    policy: Policy, outcome: Outcome, method: Method | None = None, reason: str | None = None
) -> tuple[Requirement, ...]:
    """Return what must be shown in this case: all matching rules add up, in their order."""
    return tuple(
        requirement
        for rule in policy.proof
        if rule.matches(outcome, method, reason)
        for requirement in rule.require
    )


def parse_segments(toml: str) -> tuple[Segment, ...]:
    """Return the first versions from the text of ``segments.toml`` (one table per segment).

    ``[[assign]]`` there is read by ``assignment``.

    Raises:
        PolicyInvalid: naming the segment and member at fault.
    """
    tables = tomllib.loads(toml)
    tables.pop("assign", None)
    return tuple(Segment(code, 1, parse_policy(raw, f"/{code}")) for code, raw in tables.items())
