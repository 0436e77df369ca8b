"""The page about the matrix says what the matrix holds."""

from pathlib import Path

from sync.matrix import MATRIX, Act, Ask, Cell, Fact, Outcome, Ruling, Situation

PAGE = (Path(__file__).parents[2] / "docs" / "matrix.md").read_text(encoding="utf-8")
ASKED = {Ask.NOBODY: "", Ask.NOTICE: "n", Ask.CONFLICT: "C"}


def letters(ruling: Ruling) -> str:
    """Write a ruling as the page does."""
    match ruling.outcome:
        case Outcome.APPLIED:
            return f"A{ASKED[ruling.asks]}"
        case Outcome.CONFLICT:
            return "AX" if ruling.opens else "AC"
        case Outcome.RECORDED:
            return "M" if ruling.merges else f"E{ASKED[ruling.asks]}"
        case other:
            return other.value[0].upper()


def mark(cell: Cell) -> str:
    """Write a cell: a star says that it asks about a fact."""
    return letters(cell.ruling) + ("" if cell.fact is None else "*")


def rows(title: str) -> list[list[str]]:
    """Return the cells of a section's table, without its head."""
    body = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in body.splitlines() if line.startswith("|")]
    plain = [line.replace("`", "").strip("|").split("|") for line in lines]
    return [[cell.strip() for cell in row] for row in plain]


def test_every_cell_stands_on_the_page() -> None:
    """Row by row, column by column."""
    head, _, *body = rows("The table")
    told = {
        (Act(act), Situation(row[0])): cell
        for row in body
        for act, cell in zip(head[1:], row[1:], strict=True)
    }
    assert told == {key: mark(cell) for key, cell in MATRIX.items()}


def test_every_condition_stands_on_the_page() -> None:
    """Where a cell asks, the page says what about and what it rules then."""
    told = set()
    for row in rows("Cells that ask")[2:]:
        for situation in row[0].replace(",", " ").split():
            for act in row[1].replace(",", " ").split():
                told.add((Act(act), Situation(situation), Fact(row[2]), row[3]))
    asks = {
        (act, situation, cell.fact, letters(cell.otherwise))
        for (act, situation), cell in MATRIX.items()
        if cell.fact is not None and cell.otherwise is not None
    }
    assert told == asks


def test_every_follow_up_stands_on_the_page() -> None:
    """What a conflict opens, by row."""
    told = {(Situation(row[0]), row[1]) for row in rows("What follows")[2:]}
    opens = {
        (situation, ruling.opens.value)
        for (_, situation), cell in MATRIX.items()
        for ruling in (cell.ruling, cell.otherwise)
        if ruling is not None and ruling.opens is not None
    }
    assert told == opens


def test_every_row_says_how_it_comes_about() -> None:
    """Once each."""
    told = [row[0] for row in rows("The rows")[2:]]
    assert sorted(told) == sorted(Situation)
