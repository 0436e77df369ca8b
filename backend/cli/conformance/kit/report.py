"""What was found, for people and for machines."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from backend.cli.conformance.kit.verdict import Result, Verdict

_MARKS = {Verdict.PASSED: "✓", Verdict.FAILED: "✗", Verdict.SKIPPED: "-"}


def line(result: Result) -> str:
    """One check; a failed one with what was sent, expected and came."""
    said = f"{_MARKS[result.verdict]} {result.number:<7} {result.rule}"
    if result.verdict is Verdict.SKIPPED:
        return f"{said}\n          not tried: {result.came}"
    if result.verdict is Verdict.PASSED:
        return said
    return (
        f"{said}\n          sent      {result.sent}\n"
        f"          expected  {result.expected}\n          came      {result.came}"
    )


def summary(results: Sequence[Result]) -> str:
    """How many of each."""
    found = Counter(result.verdict for result in results)
    return ", ".join(f"{found[verdict]} {verdict}" for verdict in Verdict)


def facts(results: Sequence[Result]) -> dict[str, object]:
    """The same for machines."""
    found = Counter(result.verdict.value for result in results)
    return {"conforms": conforms(results), **found, "checks": [asdict(each) for each in results]}


def conforms(results: Sequence[Result]) -> bool:
    """Whether something was tried and nothing failed."""
    found = {result.verdict for result in results}
    return Verdict.FAILED not in found and Verdict.PASSED in found
