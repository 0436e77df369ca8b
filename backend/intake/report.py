"""What an import answers: counts of consignments, and every row that needs a look."""

import msgspec

from backend.intake.notes import RowCode, RowNote

MOST_NOTES = 100_000


class ImportReport(msgspec.Struct):
    """The answer of the contract."""

    accepted: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: list[RowNote] = []
    warnings: list[RowNote] = []

    def reject(self, notes: list[RowNote]) -> None:
        """Add rejections, within bounds."""
        _add(self.rejected, notes)

    def warn(self, notes: list[RowNote]) -> None:
        """Add warnings, within bounds."""
        _add(self.warnings, notes)


def _add(told: list[RowNote], notes: list[RowNote]) -> None:
    room = MOST_NOTES - len(told)
    told.extend(notes[: max(room, 0)])
    if len(notes) > room >= 0:
        detail = f"only the first {MOST_NOTES:,} are listed"
        told.append(RowNote(None, "", RowCode.MORE_NOT_LISTED.value, detail))
