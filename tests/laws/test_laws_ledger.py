"""Only ``record`` writes audited rows: nobody else fills the ledger or words an UPDATE of one."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.tables.base import AUDITED

ROOT = Path(__file__).parents[2]
HOUSE = ("backend", "driver_api", "planner", "pod", "sync", "web")
WRITERS = {
    "backend/audit/record.py",
    "backend/audit/follow.py",
    "backend/store/ledger.py",
    "backend/store/database.py",
    "backend/cli/drill/sabotage.py",  # breaks things on purpose, past every guard
}
NAMES = {row.__name__ for row in AUDITED.values()}
TABLES = "|".join(row.__table__.name for row in AUDITED.values())
RAW = re.compile(rf'(?i)\b(?:update|insert\s+into|delete\s+from)\s+"?(?:{TABLES})"?\s')


def sources() -> Iterator[tuple[str, str]]:
    """Read every module of the house but the writers themselves."""
    for package in HOUSE:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            if name not in WRITERS:
                yield name, path.read_text(encoding="utf-8")


def breaches(source: str) -> Iterator[str]:
    """Find what writes past ``record``: the ledger, raw SQL, or a statement on an audited table."""
    yield from RAW.findall(source)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            named = {alias.name for alias in node.names}
            if node.module == "backend.store.ledger" or (
                node.module == "backend.store" and "ledger" in named
            ):
                yield "ledger"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            targets = {arg.id for arg in node.args if isinstance(arg, ast.Name)}
            if node.func.id in ("insert", "update", "delete") and targets & NAMES:
                yield node.func.id


def test_nobody_but_record_writes_audited_rows() -> None:
    """No module names the ledger, and none words a statement that changes an audited table."""
    found = {name: list(breaches(source)) for name, source in sources()}
    assert {name: what for name, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "source",
    [
        "from backend.store import feed, ledger",
        "from backend.store.ledger import of",
        "update(Stop).where(True)",
        "insert(Route)",
        'text("UPDATE stop SET state = 1")',
        "text('''insert into consignment (id) values (1)''')",
    ],
)
def test_the_law_sees_a_breach(source: str) -> None:
    """Each way to write past ``record`` is noticed."""
    assert list(breaches(source)) != []
