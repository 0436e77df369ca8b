"""How a drill went: a table for people, one object for machines, and how to do it again."""

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TypeVar

from backend.cli.drill.examine import Findings
from backend.cli.drill.faults import in_words
from backend.cli.drill.muster import Company
from backend.cli.drill.notebook import Notebook
from backend.cli.drill.sabotage import Sabotage
from backend.cli.tell import counted

T = TypeVar("T")
_SHOWN = 20
_MANY = {
    "app killed": "app kills",
    "clock jumped": "clock jumps",
    "rebooted": "reboots",
    "reinstalled": "reinstalls",
    "phone lost": "phones lost",
    "restored": "old copies restored",
    "found": "phones found again",
    "lost_request": "lost requests",
    "lost_reply": "lost replies",
    "duplicate": "duplicates",
    "delay": "delays",
    "truncation": "truncations",
    "reset": "resets",
    "503": "503s",
}
_INDENT = 16
_WIDTH = 100


def facts(
    company: Company, found: Findings, seconds: float, sabotage: Sabotage | None = None
) -> dict[str, object]:
    """For machines."""
    notebook, traffic = company.notebook, company.traffic
    return {
        "good": found.is_good,
        "seed": company.size.odds.seed,
        "plan": company.fingerprint,
        "replay": replay(company, sabotage),
        "drivers": company.size.drivers,
        "doors": company.size.doors,
        "recorded": found.recorded,
        "acknowledged": found.acknowledged,
        "outcomes": dict(found.outcomes),
        "codes": dict(found.codes),
        "receipts": dict(+notebook.receipts),
        "lost": found.lost,
        "doubled": found.doubled,
        "unsaid": found.unsaid,
        "odd": found.odd,
        "went_down_with_a_phone": found.went_down,
        "of_these_heard": found.of_these_heard,
        "told_late": found.told_late,
        "requests": traffic.requests,
        "faults": dict(traffic.faults),
        "refusals": dict(traffic.refusals),
        "failures": dict(+traffic.failures),
        "unanswered": traffic.unanswered,
        "slowest_s": round(traffic.slowest_s, 3),
        "slowest": traffic.slowest,
        "bytes_up": traffic.bytes_up,
        "bytes_down": traffic.bytes_down,
        "out_of_reach": notebook.turns_out_of_reach,
        "mishaps": dict(notebook.mishaps),
        "office": dict(notebook.office),
        "too_late": notebook.too_late,
        "restarts": notebook.restarts,
        "positions": notebook.positions,
        "inbox": dict(found.inbox),
        "files": found.files,
        "files_lost": found.files_lost,
        "files_waiting": found.files_waiting,
        "evidence_bytes": found.evidence_bytes,
        "copies": found.mirrors,
        "diverged": found.diverged,
        "dated": found.dated,
        "worst_ms": found.worst_ms,
        "off_the_mark": found.off_the_mark,
        "entries": found.entries,
        "audit": found.audit,
        "seconds": round(seconds, 1),
    }


def words(
    company: Company, found: Findings, seconds: float, sabotage: Sabotage | None = None
) -> str:
    """For people."""
    lines = [_line(name, text) for name, text in _rows(company, found)]
    size = company.size
    title = (
        f"\n  A day of {counted(size.drivers, 'driver')} and {counted(size.doors, 'door')},"
        f" seed {size.odds.seed},"
        f" in {seconds:.0f} s\n"
    )
    return "\n".join([title, *lines, "", *_verdict(company, found, sabotage), ""])


def _line(name: str, text: str) -> str:
    """A row of the table; a long text goes on below itself."""
    if not name:
        return ""
    return textwrap.fill(
        f"  {name:<{_INDENT - 2}}{text}",
        _WIDTH,
        subsequent_indent=" " * _INDENT,
        break_long_words=False,
    )


def _rows(company: Company, found: Findings) -> Iterator[tuple[str, str]]:
    notebook, traffic = company.notebook, company.traffic
    befell = (
        f"; {listed(traffic.faults)}" if traffic.faults.total() else ", and nothing befell them"
    )
    yield "roads", f"{traffic.requests:,} requests arrived{befell}"
    yield "reach", f"{notebook.turns_out_of_reach:,} of {notebook.visits:,} doors without a network"
    yield "phones", listed(notebook.mishaps) if notebook.mishaps.total() else "unharmed"
    yield "clocks", _clocks(company, found)
    yield "office", _office(notebook)
    yield "server", _server(company)
    yield "", ""
    yield "recorded", f"{found.recorded:,} acts on the phones{_went_down(found)}"
    yield "acknowledged", f"{found.acknowledged:,}: {listed(found.outcomes)}"
    yield "evidence", f"{found.files:,} files verified, {found.evidence_bytes:,} bytes"
    yield "inbox", listed(found.inbox)
    yield "log", f"{found.entries:,} entries sealed; audit {found.audit}"
    agree = found.mirrors - len(found.diverged)
    yield "copies", f"{agree} of {found.mirrors} phones hold what a fresh snapshot holds"
    yield "", ""
    yield "lost", f"{len(found.lost) + len(found.unsaid) + len(found.files_lost)}"
    yield "doubled", f"{len(found.doubled)}"


def _office(notebook: Notebook) -> str:
    """What the control room did, and what drivers had done before it could."""
    did = listed(notebook.office) if notebook.office.total() else "changed nothing"
    return f"{did}; too late {notebook.too_late}" if notebook.too_late else did


def _server(company: Company) -> str:
    traffic = company.traffic
    return (
        f"kills {company.notebook.restarts}, answers of 500 and above {traffic.failures.total()},"
        f" slowest answer {traffic.slowest_s:.1f} s ({traffic.slowest})"
    )


def _clocks(company: Company, found: Findings) -> str:
    wrong = max((rider.phone.clock.worst for rider in company.riders), default=timedelta())
    told = f"wrong by up to {_length(wrong)}" if wrong else "never set wrong"
    return f"{told}; {found.dated:,} events dated, the worst {found.worst_ms:,} ms off"


def _length(span: timedelta) -> str:
    """About how long, in the largest unit that there are two of."""
    minutes = span / timedelta(minutes=1)
    for unit, long in (("years", 365 * 1440), ("days", 1440), ("hours", 60)):
        if minutes >= 2 * long:
            return f"{minutes / long:.1f} {unit}"
    return f"{minutes:.0f} minutes"


def _went_down(found: Findings) -> str:
    """What no living phone holds any more."""
    told = f"; {found.told_late} told by phones that were found" if found.told_late else ""
    gone = f"; {found.went_down} unsaid went down with a phone" if found.went_down else ""
    return told + gone


def _verdict(company: Company, found: Findings, sabotage: Sabotage | None) -> Iterator[str]:
    """What it means, or what is wrong and how to see it again."""
    if found.is_good:
        yield "  Every act that was acknowledged to a phone was looked for by `have`, on the"
        yield "  timeline of its stop and in the sealed log: it is there, and once."
        return
    for title, said in _wrongs(found):
        yield f"  {title}: {len(said)}"
        yield from (f"    {one}" for one in said[:_SHOWN])
        if len(said) > _SHOWN:
            yield f"    ... and {len(said) - _SHOWN} more"
    yield f"\n  The phones are kept in {company.folder}; the same day again:"
    yield f"    {replay(company, sabotage)}"


def _wrongs(found: Findings) -> Iterator[tuple[str, list[str]]]:
    """Everything that keeps a drill from being good."""
    sorts = {
        "lost": found.lost,
        "doubled": found.doubled,
        "never acknowledged": found.unsaid,
        "odd": found.odd,
        "copies that diverged": found.diverged,
        "files told to be verified and not in the log": found.files_lost,
        "dated wrongly": found.off_the_mark,
    }
    yield from ((title, said) for title, said in sorts.items() if said)
    if found.files_waiting:
        yield "files still on phones", [str(found.files_waiting)]
    if found.audit != "ok":
        yield "audit", [found.audit]


def replay(company: Company, sabotage: Sabotage | None = None) -> str:
    """The command that does the same day again, and the same to its database."""
    size = company.size
    return (
        f"doorstep drill --drivers {size.drivers} --stops {size.stops}"
        f" --offline {size.odds.offline:g} --mishaps {size.odds.mishaps:g}"
        f" --office {size.office:g} --restarts {size.restarts}"
        f" --faults {in_words(size.faults)} --seed {size.odds.seed}"
        + (f" --sabotage {sabotage}" if sabotage else "")
    )


def listed(counts: Mapping[T, int]) -> str:
    """Counts in words, the largest first."""
    often = Counter(counts).most_common()
    told = ", ".join(f"{_MANY.get(str(word), word)} {count:,}" for word, count in often if count)
    return told.replace("_", " ") or "nothing"
