"""Parcels: barcodes, weights, volumes, and the words for how to handle them."""

import re

from backend.intake import text
from backend.intake.clean import CleanParcel
from backend.intake.merge import Merged, PlacedParcel
from backend.intake.notes import Remarks, RowCode

MOST_PARCELS = 200
HEAVIEST_KG = 5_000.0
LARGEST_DM3 = 50_000.0
_TOKEN = re.compile(r"[a-z0-9][a-z0-9_]{0,39}")
_ROUNDED = re.compile(r"\d([.,]\d+)?[eE]\+\d+")


def clean_token(raw: str) -> str:
    """Return a word of a vocabulary in its one form: ``Keep Upright`` is ``keep_upright``."""
    return re.sub(r"[\s\-]+", "_", text.line(raw).lower())


def clean_parcels(merged: Merged, remarks: Remarks) -> tuple[CleanParcel, ...]:
    """Return the distinct parcels; a line sent twice counts once."""
    if len(merged.parcels) > MOST_PARCELS:
        detail = f"more than {MOST_PARCELS} parcels"
        remarks.fault(merged.place, "parcels", RowCode.TOO_MANY, detail)
        return ()
    if not merged.parcels:
        remarks.fault(merged.place, "parcels", RowCode.NO_PARCELS, "at least one is required")
    found: dict[str, CleanParcel] = {}
    for placed in merged.parcels:
        parcel = _clean(placed, remarks)
        known = found.setdefault(parcel.barcode, parcel)
        if known is not parcel and parcel.barcode:
            _tell_twice(placed, known, parcel, remarks)
    return tuple(found.values())


def _tell_twice(
    placed: PlacedParcel, known: CleanParcel, parcel: CleanParcel, remarks: Remarks
) -> None:
    member = f"parcels/{placed.index}/barcode"
    if known == parcel:
        detail = "the same parcel again; counted once"
        remarks.warn(placed.place, member, RowCode.DUPLICATE_ROW, detail)
    else:
        detail = "another parcel of this consignment has this barcode"
        remarks.fault(placed.place, member, RowCode.DUPLICATE_BARCODE, detail)


def _clean(placed: PlacedParcel, remarks: Remarks) -> CleanParcel:
    raw = placed.parcel
    return CleanParcel(
        barcode=_barcode(placed, remarks),
        description=_text(placed, "description", raw.description, 200, remarks) or None,
        weight_kg=_amount(placed, "weight_kg", raw.weight_kg, HEAVIEST_KG, remarks),
        volume_dm3=_amount(placed, "volume_dm3", raw.volume_dm3, LARGEST_DM3, remarks),
        handling=_handling(placed, remarks),
    )


def _barcode(placed: PlacedParcel, remarks: Remarks) -> str:
    barcode = _text(placed, "barcode", placed.parcel.barcode, 80, remarks)
    member = f"parcels/{placed.index}/barcode"
    if not barcode and "\0" not in placed.parcel.barcode:
        remarks.fault(placed.place, member, RowCode.MISSING, "is required")
    if _ROUNDED.fullmatch(barcode):
        detail = "looks like a number rounded by a spreadsheet"
        remarks.warn(placed.place, member, RowCode.BARCODE_ROUNDED, detail)
    return barcode


def _text(
    placed: PlacedParcel, member: str, raw: str | None, longest: int, remarks: Remarks
) -> str:
    pointer = f"parcels/{placed.index}/{member}"
    if raw is not None and "\0" in raw:
        remarks.fault(placed.place, pointer, RowCode.CONTROL_CHARACTER, "contains U+0000")
        return ""
    cleaned = text.line((raw or "")[: longest * 4])
    if len(cleaned) > longest:
        remarks.fault(placed.place, pointer, RowCode.TOO_LONG, f"longer than {longest} characters")
    return cleaned


def _amount(
    placed: PlacedParcel, member: str, value: float, most: float, remarks: Remarks
) -> float:
    pointer = f"parcels/{placed.index}/{member}"
    told = any(note.pointer == placed.place.pointer(pointer) and note.line == placed.place.line
               for note in remarks.faults)  # fmt: skip
    if not 0 < value <= most and not told:
        detail = f"must be above 0 and at most {most:,.0f}"
        remarks.fault(placed.place, pointer, RowCode.OUT_OF_RANGE, detail)
    return value


def _handling(placed: PlacedParcel, remarks: Remarks) -> tuple[str, ...]:
    tokens: list[str] = []
    words = placed.parcel.handling or ()
    if len(words) > 20:
        member = f"parcels/{placed.index}/handling"
        remarks.fault(placed.place, member, RowCode.TOO_MANY, "more than 20 words")
        return ()
    for index, raw in enumerate(words):
        token = clean_token(raw)
        if not _TOKEN.fullmatch(token):
            member = f"parcels/{placed.index}/handling/{index}"
            detail = "a word of letters, digits and _ is expected"
            remarks.fault(placed.place, member, RowCode.BAD_WORD, detail)
        elif token not in tokens:
            tokens.append(token)
    return tuple(sorted(tokens))
