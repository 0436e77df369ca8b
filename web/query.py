"""Query parameters read strictly: what cannot be meant is told, with the parameter's name."""

import datetime as dt
import re
from enum import StrEnum
from typing import TypeVar

from backend.errors import InputError
from backend.wire.json import InputInvalid

Word = TypeVar("Word", bound=StrEnum)


def read_date(text: str | None, name: str = "date") -> dt.date | None:
    """Read a day as YYYY-MM-DD; None where none is given, or it is empty.

    Raises:
        InputInvalid: it is no day.
    """
    if not text:
        return None
    try:
        if re.fullmatch(r"20\d\d-\d\d-\d\d", text, re.ASCII):
            return dt.date.fromisoformat(text)
    except ValueError:
        pass
    raise invalid(name, "must be a day as YYYY-MM-DD")


def flag(name: str, text: str | None) -> bool:
    """Read a yes or no; absent is no.

    Raises:
        InputInvalid: it is neither.
    """
    word = (text or "false").lower()
    if word not in ("true", "false", "1", "0"):
        raise invalid(name, "must be true or false")
    return word in ("true", "1")


def word_of(name: str, text: str | None, words: type[Word]) -> Word | None:
    """Read one word of a vocabulary; None where none is given, or it is empty.

    Raises:
        InputInvalid: it is none of them.
    """
    if not text:
        return None
    try:
        return words(text)
    except ValueError:
        raise invalid(name, f"must be one of {', '.join(words)}") from None


def invalid(name: str, detail: str) -> InputInvalid:
    """Say that a parameter is not what is asked for."""
    return InputInvalid(f"{name} {detail}", errors=[InputError(f"/{name}", "invalid", detail)])
