"""How a drill went, for people and for machines."""

from backend.cli.drill.examine import Findings
from backend.cli.drill.muster import Company


def facts(company: Company, found: Findings, seconds: float) -> dict[str, object]:
    """For machines."""
    notebook, traffic = company.notebook, company.traffic
    return {
        "seed": company.size.odds.seed,
        "plan": company.fingerprint,
        "drivers": company.size.drivers,
        "stops": company.size.doors,
        "recorded": found.recorded,
        "acknowledged": found.acknowledged,
        "went_down": found.went_down,
        "of_these_heard": found.of_these_heard,
        "outcomes": dict(found.outcomes),
        "codes": dict(found.codes),
        "receipts": dict(notebook.receipts),
        "faults": dict(traffic.faults),
        "mishaps": dict(notebook.mishaps),
        "office": dict(notebook.office),
        "too_late": notebook.too_late,
        "restarts": notebook.restarts,
        "requests": traffic.requests,
        "statuses": {str(k): v for k, v in sorted(traffic.statuses.items())},
        "refusals": dict(traffic.refusals),
        "failures": dict(+traffic.failures),
        "unanswered": traffic.unanswered,
        "slowest_s": round(traffic.slowest_s, 3),
        "positions": notebook.positions,
        "inbox": dict(found.inbox),
        "files": found.files,
        "files_lost": found.files_lost,
        "files_waiting": found.files_waiting,
        "evidence_bytes": found.evidence_bytes,
        "digests": found.mirrors - len(found.diverged),
        "diverged": found.diverged,
        "dated": found.dated,
        "worst_ms": found.worst_ms,
        "off_the_mark": found.off_the_mark[:20],
        "entries": found.entries,
        "audit": found.audit,
        "lost": found.lost,
        "doubled": found.doubled,
        "unsaid": found.unsaid,
        "odd": found.odd[:50],
        "seconds": round(seconds, 1),
    }


def words(company: Company, found: Findings, seconds: float) -> str:
    return str(facts(company, found, seconds))
