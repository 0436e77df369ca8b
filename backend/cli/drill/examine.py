"""The examination: what the phones were promised, held against what the server has. Pure.

Lost is an act that the server acknowledged, or that a phone still in its driver's hand recorded,
and that the server does not have. Doubled is an act that had its effect twice.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from backend.cli.day.control_room import Happening
from backend.cli.drill.witness import Act, Heard
from handset.wire import Receipt

NO_FAILURES: Mapping[str, int] = {}
OUTCOMES = frozenset({"applied", "conflict", "recorded", "held", "rejected", "quarantined"})
# What a person has to look at: exactly one item in the inbox.
_FOR_A_PERSON = frozenset({"conflict", "rejected", "quarantined"})
# What stands on a stop's timeline once it was taken in.
_TOLD = frozenset({"applied", "conflict", "recorded"})


@dataclass(slots=True)
class Findings:
    """What the phones can prove."""

    recorded: int = 0
    acknowledged: int = 0
    # Not acknowledged, and gone with a phone that was lost or overwritten.
    went_down: int = 0
    of_these_heard: int = 0
    # Said by phones that were lost, revoked and found.
    told_late: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unsaid: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    diverged: list[str] = field(default_factory=list)
    mirrors: int = 0
    files: int = 0
    files_lost: list[str] = field(default_factory=list)
    files_waiting: int = 0
    evidence_bytes: int = 0
    inbox: Counter[str] = field(default_factory=Counter)
    entries: int = 0
    audit: str = "not verified"
    # How far the server's event times are from the truth, where it claims to know.
    dated: int = 0
    worst_ms: int = 0
    off_the_mark: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Nothing acknowledged is missing or doubled, and nothing else is wrong either."""
        return self.audit == "ok" and not any(
            (
                self.lost,
                self.doubled,
                self.unsaid,
                self.odd,
                self.diverged,
                self.files_lost,
                self.files_waiting,
                self.off_the_mark,
            )
        )


def examine(
    heard: Heard, odd: Sequence[str] = (), failures: Mapping[str, int] = NO_FAILURES
) -> Findings:
    """Judge what was heard; `failures` are the server's answers of 500 and above, by call."""
    found = Findings(
        odd=[*odd, *(f"{call}, {times} times" for call, times in failures.items() if times)],
        mirrors=len(heard.mirrors),
        files=len(heard.files),
        files_waiting=heard.files_waiting,
        evidence_bytes=sum(heard.evidence.values()),
        inbox=heard.inbox_kinds,
        entries=heard.entries,
        audit=heard.audit,
    )
    events = defaultdict(list)
    for event in heard.events:
        if event.mutation_id:
            events[event.mutation_id].append(event)
    for acts in _by_id(heard.acts).values():
        _examine_act(acts, heard, events[acts[0].id], found)
    found.doubled += [
        f"{_name_of(cause, heard)}: {action} on {entity} {entity_id} {times} times in the log"
        for (cause, entity, entity_id, action), times in heard.effects.items()
        if times > 1
    ]
    found.files_lost = sorted(heard.files - heard.evidence.keys())
    found.diverged = [
        f"phone {mirror.phone}: its copy {mirror.own[:12]}, the server's word"
        f" {(mirror.said or 'none')[:12]}, a fresh snapshot {mirror.fresh[:12]}"
        f" {', '.join(mirror.differ[:3])}"
        for mirror in heard.mirrors
        if not mirror.agrees
    ]
    return found


def _by_id(acts: Sequence[Act]) -> dict[str, list[Act]]:
    grouped: dict[str, list[Act]] = defaultdict(list)
    for act in acts:
        grouped[act.id].append(act)
    return grouped


def _examine_act(
    acts: Sequence[Act], heard: Heard, events: list[Happening], found: Findings
) -> None:
    """One act, in however many lives of its phone it was."""
    found.recorded += 1
    act = next((one for one in acts if one.acked), acts[-1])
    is_there = act.id in heard.had
    if not act.acked:
        _examine_unacknowledged(acts, found, is_there=is_there)
        return
    found.acknowledged += 1
    receipt = act.receipt
    if receipt is not None:
        found.outcomes[receipt.outcome] += 1
        if receipt.code:
            found.codes[receipt.code] += 1
    if not is_there:
        found.lost.append(f"{name(act)}: acknowledged, and the server does not have it")
    found.lost += [f"{name(act)}: {what}" for what in _missing(act, heard, events)]
    found.doubled += [f"{name(act)}: {what}" for what in _twice(events)]
    found.odd += [f"{name(act)}: {what}" for what in _oddities(act, heard)]
    _date(act, events, heard.on_the_way, found)


def _examine_unacknowledged(acts: Sequence[Act], found: Findings, *, is_there: bool) -> None:
    """It is still to be said, or it went down with its phone, or that phone was found again."""
    if not all(one.life_is_over for one in acts):
        found.unsaid.append(name(acts[-1]))
    elif any(one.is_found for one in acts):
        found.told_late += 1
        if not is_there:
            found.lost.append(f"{name(acts[-1])}: told by a phone that was found, and not there")
    else:
        found.went_down += 1
        found.of_these_heard += is_there


def _missing(act: Act, heard: Heard, events: list[Happening]) -> Iterator[str]:
    """What the receipt says is there, and is not."""
    if act.receipt is None:
        return
    entry = act.receipt.entry
    if entry is not None and heard.leaves[entry] != 1:
        yield f"its entry {entry[:12]} is {heard.leaves[entry]} times in the log"
    if act.stop_id is not None and act.receipt.outcome in _TOLD and not events:
        yield f"{act.receipt.outcome}, and not on the timeline of its stop"


def _twice(events: Sequence[Happening]) -> Iterator[str]:
    kinds = Counter(event.kind for event in events)
    for kind, times in kinds.items():
        if times > 1:
            yield f"{kind} is {times} times on the timeline"


def _oddities(act: Act, heard: Heard) -> Iterator[str]:
    """What is not as the contract says."""
    receipt = act.receipt
    if receipt is None:
        yield "acknowledged without a receipt"
        return
    if receipt.id != act.id:
        yield f"its receipt names {receipt.id}"
    if receipt.outcome not in OUTCOMES:
        yield f"an outcome nobody knows: {receipt.outcome}"
    if receipt.entry is None or len(receipt.entry) != 64:
        yield "no entry in the log"
    yield from _asked(receipt, heard.inbox.get(act.id, []))


def _asked(receipt: Receipt, items: Sequence[str]) -> Iterator[str]:
    """A person is asked once about each thing; what was a fork first may be asked about as well."""
    if receipt.outcome in _FOR_A_PERSON and receipt.outcome not in items:
        told = f"{receipt.outcome} {receipt.code or 'without a code'}"
        yield f"{told}, and in the inbox: {', '.join(items) or 'nothing'}"
    for kind, times in Counter(items).items():
        if times > 1:
            yield f"{kind} is {times} times in the inbox"


def _date(act: Act, events: Sequence[Happening], on_the_way: timedelta, found: Findings) -> None:
    """Hold the server's reckoning against the truth, but for the time that words were under way."""
    for event in events:
        if act.truly is None or event.uncertainty_ms is None:
            continue
        found.dated += 1
        off = abs(datetime.fromisoformat(event.happened) - act.truly)
        off_ms = int(off / timedelta(milliseconds=1))
        found.worst_ms = max(found.worst_ms, off_ms)
        if off > timedelta(milliseconds=event.uncertainty_ms) + on_the_way:
            found.off_the_mark.append(
                f"{name(act)}: happened {act.truly}, the server says {event.happened}"
                f" give or take {event.uncertainty_ms} ms"
            )


def name(act: Act) -> str:
    """An act, so that it can be found on its phone."""
    where = f" at stop {act.stop_id}" if act.stop_id else ""
    return f"phone {act.phone}.{act.life} ({act.driver}) act {act.n} {act.kind} {act.id}{where}"


def _name_of(mutation_id: str, heard: Heard) -> str:
    return next((name(act) for act in heard.acts if act.id == mutation_id), mutation_id)
