import re
from pathlib import Path

from backend.intake.notes import RowCode

PAGE = Path(__file__).parents[2] / "docs" / "imports.md"


def test_every_remark_about_a_row_is_documented() -> None:
    """docs/imports.md lists each code in a table, and no code that is not ours."""
    codes = PAGE.read_text().partition("\n| code |")[2]  # other tables name other things
    rows = [line for line in codes.splitlines() if line.startswith("| `")]
    listed = {code for row in rows for code in re.findall(r"`([a-z0-9_]+)`", row.split("|")[1])}
    decoder = {"wrong_length", "wrong_format", "unknown_value", "invalid"}
    assert listed == {code.value for code in RowCode} | decoder
