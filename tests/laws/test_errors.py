"""docs/errors.md and the code say the same, in both directions."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import backend
import driver_api
import planner
import pod
import sync
import web
from backend.domain.policy import EvidenceKind
from backend.errors import DoorstepError
from pod import verdict
from sync import door, intake
from sync.matrix import MATRIX

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "errors.md").read_text()
PACKAGES = (backend, driver_api, planner, pod, sync, web)


def section(title: str) -> list[list[str]]:
    """Return the cells of the rows of a section's table."""
    body = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    rows = [line for line in body.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def codes_in(cell: str) -> list[str]:
    """Return the codes that a cell names."""
    return re.findall(r"`([a-z0-9_]+)`", cell)


def errors() -> set[type[DoorstepError]]:
    """Import every module of ours and return every error there is."""
    for package in PACKAGES:
        _import_all(package)
    return {DoorstepError, *_below(DoorstepError)}


def _import_all(package: ModuleType) -> None:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)


def _below(error: type[DoorstepError]) -> Iterator[type[DoorstepError]]:
    for child in error.__subclasses__():
        yield child
        yield from _below(child)


def test_every_problem_is_in_the_catalogue_and_no_other() -> None:
    """Code, status and title of each error class are those of the table."""
    ours = {
        e.code: (str(e.status), e.title) for e in errors() if e.__module__.split(".")[0] != "tests"
    }
    listed = {codes_in(row[0])[0]: (row[1], row[2]) for row in section("Problems")}
    assert listed == ours


def test_every_problem_says_what_it_means_and_what_to_do() -> None:
    """No row is left half-written, and no code is there twice."""
    rows = section("Problems")
    assert all(len(row) == 5 and all(row) for row in rows)
    assert len({row[0] for row in rows}) == len(rows)


def test_codes_are_stable_words_and_stand_for_one_error() -> None:
    """Two errors never share a code; 422 is not used."""
    ours = sorted(errors(), key=lambda error: error.code)
    codes = [error.code for error in ours]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{2,39}", code) for code in codes)
    assert all(error.status != 422 and 400 <= error.status < 600 for error in ours)


def calls(folder: str, *names: str) -> Iterator[ast.Call]:
    """Return the calls of these names in a package."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id in names:
                yield node


def text_of(node: ast.expr | None) -> set[str]:
    """Return a literal's text, if it is one."""
    plain = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return {node.value} if plain else set()  # type: ignore[union-attr]


def receipt_codes() -> set[str]:
    """Collect the codes that a receipt can carry."""
    found: set[str] = set()
    for call in calls("sync", "Fault", "Answer", "Ruling"):
        place = 0 if call.func.id == "Fault" else 1  # type: ignore[attr-defined]
        found |= text_of(call.args[place] if len(call.args) > place else None)
        for keyword in call.keywords:
            found |= text_of(keyword.value) if keyword.arg == "code" else set()
    ruled = [each for cell in MATRIX.values() for each in (cell.ruling, cell.otherwise) if each]
    found |= {ruling.code for ruling in ruled if ruling.code is not None}
    found |= {code for code, _ in intake._REFUSED.values()}
    found |= {f"code_{word}" for word in door._CODES.values()}
    return found | {f"door_token_{word}" for word in door._CODES.values()}


def test_every_receipt_code_is_documented_and_no_other() -> None:
    """The table of receipts lists what ``sync`` can answer."""
    listed = {code for row in section("Receipts") for code in codes_in(row[0])}
    impossible = {"code_spent", "door_token_locked"}  # codes are counted, tokens are spent
    assert listed | impossible == receipt_codes() | impossible


def finding_codes() -> set[str]:
    """Collect the codes that a verdict can find."""
    found: set[str] = set()
    for call in calls("pod", "Finding", "_Look"):
        found |= text_of(call.args[0] if call.args else None)
    files = (EvidenceKind.PHOTO, EvidenceKind.SIGNATURE, EvidenceKind.ID_CHECK)
    states = ("missing", "awaited", "corrupt", "blank")
    found |= {f"{kind}_{state}" for kind in files for state in states}
    door_faults = set(verdict._FAULTY.values())
    found |= {f"{means}_{fault}" for means in ("code", "door_token") for fault in door_faults}
    return found | {f"photo_{remark}" for remark in photo_remarks()}


def photo_remarks() -> set[str]:
    """Return the words of the remarks on photos."""
    tree = ast.parse((ROOT / "pod" / "photo.py").read_text())
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    remarks = next(f for f in functions if f.name == "_remarks")
    keys = [key for n in ast.walk(remarks) if isinstance(n, ast.Dict) for key in n.keys]
    return {word for key in keys for word in text_of(key)}


def test_every_finding_is_documented_and_no_other() -> None:
    """The table of findings lists what a verdict can hold."""
    listed = {code for row in section("Findings") for code in codes_in(row[0])}
    assert listed == finding_codes()
