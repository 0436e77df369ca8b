"""A policy from the wire and back, strictly: nothing unknown, nothing unbounded, all faults told.

``parse_policy(policy_to_wire(p)) == p`` for every policy; what is absent on the wire stays absent.
"""

from functools import lru_cache
from types import MappingProxyType

from backend.domain.form import Form
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
from backend.errors import InputError, Malformed

COLOR = r"#[0-9A-Fa-f]{3,8}|[a-z]{3,20}"
CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]"
MOST_RULES = 50
MOST_REQUIREMENTS = 20
MOST_PIECES = 9
MOST_OF_A_KIND = 20
Wire = dict[str, object]


class PolicyInvalid(Malformed):
    """The policy has faults; ``errors`` names each with its pointer."""

    code = "policy_invalid"
    title = "The policy is not what the contract describes"


def parse_policy(raw: object, pointer: str = "") -> Policy:
    """Return the policy a JSON object describes.

    Raises:
        PolicyInvalid: with every fault and its pointer (prefixed by ``pointer``).
    """
    faults: list[InputError] = []
    policy = _policy(Form(raw, pointer, faults))
    if faults:
        raise PolicyInvalid(errors=faults)
    return policy


def _policy(form: Form) -> Policy:
    policy = Policy(
        label=form.text("label", 80),
        priority=form.integer("priority", 0, 100),
        promise=_promise(form.form("promise")),
        buffer_s=_service(form.form("service")),
        geofence_m=form.integer("geofence_m", 1, 20_000),
        attempts=_attempts(form.form("attempts")),
        proof=tuple(_rule(rule) for rule in form.forms("proof", MOST_RULES)),
        late_evidence_h=form.integer("late_evidence_h", 0, 720),
        undo_s=form.integer("undo_s", 0, 86_400),
        code=_code(form.form("code")),
        second_person=_override(form.form("override")),
        manifest=_look(form.form("manifest")),
        tracking=_tracking(form.form("tracking")),
        notify=_notify(form.form("notify")),
        alerts=_alerts(form.form("alerts")),
        retention_days=_retention(form.form("retention_days")),
        vehicle_skills=_limits(form.form("limits")),
    )
    form.close()
    return policy


def _promise(form: Form) -> Promise:
    window = form.integer("window_min", 1, 10_080)
    cut_off = form.text("cut_off", 5, CLOCK) if form.has("cut_off") else None
    form.close()
    return Promise(window, cut_off)


def _service(form: Form) -> int:
    buffer_s = form.integer("buffer_s", 0, 7_200)
    form.close()
    return buffer_s


def _attempts(form: Form) -> Attempts:
    attempts = Attempts(form.integer("max", 1, 10), form.choice("fallback", Fallback))
    form.close()
    return attempts


def _rule(form: Form) -> Rule:
    rule = Rule(
        on=form.choices("on", Outcome, least=1),
        when=_when(form.form("when")) if form.has("when") else When(),
        require=tuple(_requirement(item) for item in form.forms("require", MOST_REQUIREMENTS)),
    )
    form.close()
    return rule


def _when(form: Form) -> When:
    when = When(
        method=form.choices("method", Method) if form.has("method") else (),
        reason=form.slugs("reason", 50) if form.has("reason") else (),
    )
    form.close()
    return when


def _requirement(form: Form) -> Requirement:
    otherwise: tuple[Piece, ...] = ()
    if form.has("any_of"):
        any_of = _pieces(form, "any_of")
        otherwise = _pieces(form, "else") if form.has("else") else ()
    else:
        any_of = (_piece(form),)
    level = form.choice("level", Level)
    form.close()
    return Requirement(any_of, level, otherwise)


def _pieces(form: Form, name: str) -> tuple[Piece, ...]:
    """Alternatives are written as bare words, or as ``{evidence, min}`` where one is not enough."""
    pieces = []
    for index, item in enumerate(form.sequence(name, MOST_PIECES, least=1)):
        given = {"evidence": item} if isinstance(item, str) else item
        inner = form.nested(given, f"{name}/{index}")
        pieces.append(_piece(inner))
        inner.close()
    return tuple(pieces)


def _piece(form: Form) -> Piece:
    kind = form.choice("evidence", EvidenceKind)
    return Piece(kind, form.integer("min", 1, MOST_OF_A_KIND) if form.has("min") else 1)


def _code(form: Form) -> CodePolicy:
    live = form.truth("live")
    ttl = form.integer("ttl_min", 1, 1_440) if form.has("ttl_min") else None
    form.close()
    return CodePolicy(live, ttl)


def _override(form: Form) -> bool:
    second_person = form.truth("second_person")
    form.close()
    return second_person


def _look(form: Form) -> ManifestLook:
    look = ManifestLook(
        color=form.text("color", 20, COLOR),
        badge=form.text("badge", 40),
        show=form.slugs("show", 30),
        instructions=form.text("instructions", 1_000) if form.has("instructions") else None,
    )
    form.close()
    return look


def _tracking(form: Form) -> Tracking:
    tracking = Tracking(
        eta=form.choice("eta", EtaShown),
        stops_away=form.truth("stops_away"),
        actions=form.choices("actions", CustomerAction),
    )
    form.close()
    return tracking


def _notify(form: Form) -> MappingProxyType[Milestone, tuple[Channel, ...]]:
    told = {m: form.choices(m.value, Channel) for m in Milestone if form.has(m.value)}
    form.close()
    return MappingProxyType(told)


def _alerts(form: Form) -> Alerts:
    names = ("late_min", "silent_min", "dwell_min")
    alerts = Alerts(*(form.integer(name, 1, 1_440) for name in names))
    form.close()
    return alerts


def _retention(form: Form) -> Retention:
    names = ("photo", "signature", "fix", "contact")
    retention = Retention(*(form.integer(name, 1, 3_650) for name in names))
    form.close()
    return retention


def _limits(form: Form) -> tuple[str, ...]:
    skills = form.slugs("vehicle_skills", 20)
    form.close()
    return skills


def policy_to_wire(policy: Policy) -> Wire:
    """Return the policy as the contract writes it."""
    return {
        "label": policy.label,
        "priority": policy.priority,
        "promise": _present(window_min=policy.promise.window_min, cut_off=policy.promise.cut_off),
        "service": {"buffer_s": policy.buffer_s},
        "geofence_m": policy.geofence_m,
        "attempts": {"max": policy.attempts.max, "fallback": policy.attempts.fallback.value},
        "proof": [rule_to_wire(rule) for rule in policy.proof],
        "late_evidence_h": policy.late_evidence_h,
        "undo_s": policy.undo_s,
        "code": _present(live=policy.code.live, ttl_min=policy.code.ttl_min),
        "override": {"second_person": policy.second_person},
        "manifest": _look_to_wire(policy.manifest),
        "tracking": {
            "eta": policy.tracking.eta.value,
            "stops_away": policy.tracking.stops_away,
            "actions": [action.value for action in policy.tracking.actions],
        },
        "notify": {m.value: [c.value for c in told] for m, told in policy.notify.items()},
        "alerts": {
            "late_min": policy.alerts.late_min,
            "silent_min": policy.alerts.silent_min,
            "dwell_min": policy.alerts.dwell_min,
        },
        "retention_days": {
            "photo": policy.retention_days.photo,
            "signature": policy.retention_days.signature,
            "fix": policy.retention_days.fix,
            "contact": policy.retention_days.contact,
        },
        "limits": {"vehicle_skills": list(policy.vehicle_skills)},
    }


def rule_to_wire(rule: Rule) -> Wire:
    """Return one proof rule as the policy writes it."""
    return {
        "on": [outcome.value for outcome in rule.on],
        "when": when_to_wire(rule.when),
        "require": [requirement_to_wire(item) for item in rule.require],
    }


@lru_cache(maxsize=256)
def proof_rules_to_wire(policy: Policy) -> Wire:
    """Return the stop entity's ``proof_rules``: the rules by outcome, as a handset reads them.

    Every stop of a segment has the same ones, so they are written once and are not to be changed.
    """
    return {
        outcome.value: [
            {"when": wire["when"], "require": wire["require"]}
            for rule in policy.proof
            if outcome in rule.on
            for wire in (rule_to_wire(rule),)
        ]
        for outcome in Outcome
    }


def when_to_wire(when: When) -> Wire:
    """Return the cases of a rule; an empty object matches all."""
    return _present(
        method=[method.value for method in when.method] or None,
        reason=list(when.reason) or None,
    )


def requirement_to_wire(requirement: Requirement) -> Wire:
    """Return ``{evidence, level, min?}`` for a single piece, else ``{any_of, level, else?}``."""
    only = requirement.any_of[0]
    if len(requirement.any_of) == 1 and not requirement.otherwise:
        return _present(
            evidence=only.evidence.value,
            level=requirement.level.value,
            min=only.min if only.min > 1 else None,
        )
    return _present(
        any_of=[_piece_to_wire(piece) for piece in requirement.any_of],
        level=requirement.level.value,
        **{"else": [_piece_to_wire(piece) for piece in requirement.otherwise] or None},
    )


def _piece_to_wire(piece: Piece) -> object:
    if piece.min == 1:
        return piece.evidence.value
    return {"evidence": piece.evidence.value, "min": piece.min}


def _look_to_wire(look: ManifestLook) -> Wire:
    return _present(
        color=look.color,
        badge=look.badge,
        show=list(look.show),
        instructions=look.instructions,
    )


def _present(**members: object) -> Wire:
    return {name: value for name, value in members.items() if value is not None}
