"""Reading an untrusted JSON object member by member, and telling every fault at once.

A ``Form`` hands out members of the type asked for. A wrong one is noted with its RFC 6901
pointer and a stand-in is handed out, so that one reading finds all the faults.
"""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

from backend.errors import InputError

Choice = TypeVar("Choice", bound=StrEnum)
SLUG = re.compile(r"[a-z][a-z0-9_]{0,39}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Form:
    """One JSON object being read. ``close`` at the end refuses the members nobody asked for."""

    def __init__(self, value: object, pointer: str, faults: list[InputError]) -> None:
        self._pointer = pointer
        self._faults = faults
        self._asked: set[str] = set()
        self._members: Mapping[str, object] = {}
        if isinstance(value, Mapping):
            self._members = value
        else:
            faults.append(InputError(pointer, "type", "must be an object"))
            self._faults = []  # what is then missing in it is no fault of its own

    def has(self, name: str) -> bool:
        """Whether the member is there (null counts as absent)."""
        self._asked.add(name)
        return self._members.get(name) is not None

    def fault(self, name: str, code: str, detail: str) -> None:
        """Note a fault at a member."""
        self._faults.append(InputError(self.at(name), code, detail))

    def at(self, name: str) -> str:
        """Return the pointer of a member."""
        return f"{self._pointer}/{name.replace('~', '~0').replace('/', '~1')}"

    def member(self, name: str) -> object:
        """Return the raw member, or None with a fault where it is absent."""
        if not self.has(name):
            self.fault(name, "missing", "is required")
        return self._members.get(name)

    def form(self, name: str) -> "Form":
        """Return a nested object."""
        if not self.has(name):
            self.fault(name, "missing", "is required")
            return Form({}, self.at(name), [])  # its members are not faults of their own
        return Form(self._members[name], self.at(name), self._faults)

    def nested(self, value: object, name: str) -> "Form":
        """Return an object found inside a list, at ``name/index``."""
        return Form(value, f"{self._pointer}/{name}", self._faults)

    def integer(self, name: str, low: int, high: int) -> int:
        """Return a whole number within bounds."""
        value = self.member(name)
        if value is None:
            return low
        if isinstance(value, bool) or not isinstance(value, int):
            self.fault(name, "type", "must be a whole number")
        elif not low <= value <= high:
            self.fault(name, "range", f"must be from {low} to {high}")
        else:
            return value
        return low

    def truth(self, name: str) -> bool:
        """Return a boolean."""
        value = self.member(name)
        if value is not None and not isinstance(value, bool):
            self.fault(name, "type", "must be true or false")
        return value is True

    def text(self, name: str, longest: int, pattern: str | None = None) -> str:
        """Return text of 1 to ``longest`` characters, of a pattern where one is given."""
        value = self.member(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.fault(name, "type", "must be text")
        elif not 1 <= len(value) <= longest or _CONTROL.search(value):
            self.fault(name, "length", f"must be 1 to {longest} printable characters")
        elif pattern is not None and not re.fullmatch(pattern, value):
            self.fault(name, "format", f"must match {pattern}")
        else:
            return value
        return ""

    def choice(self, name: str, of: type[Choice]) -> Choice:
        """Return one word of a vocabulary."""
        value = self.member(name)
        found = _word(value, of)
        if value is not None and found is None:
            self.fault(name, "choice", f"must be one of {_words(of)}")
        return found if found is not None else next(iter(of))

    def choices(self, name: str, of: type[Choice], *, least: int = 0) -> tuple[Choice, ...]:
        """Return a list of distinct words of a vocabulary."""
        found: list[Choice] = []
        for index, value in enumerate(self.sequence(name, len(of), least=least)):
            word = _word(value, of)
            if word is None:
                self.fault(name, "choice", f"[{index}] must be one of {_words(of)}")
            elif word in found:
                self.fault(name, "duplicate", f"[{index}] is named twice")
            else:
                found.append(word)
        return tuple(found)

    def slugs(self, name: str, most: int) -> tuple[str, ...]:
        """Return a list of distinct snake_case words."""
        found: list[str] = []
        for index, value in enumerate(self.sequence(name, most)):
            if not isinstance(value, str) or not SLUG.fullmatch(value):
                self.fault(name, "format", f"[{index}] must be a snake_case word")
            elif value not in found:
                found.append(value)
        return tuple(found)

    def sequence(self, name: str, most: int, *, least: int = 0) -> Sequence[object]:
        """Return a list within bounds, its items unread."""
        value = self.member(name)
        if value is None:
            return ()
        if not isinstance(value, list | tuple):
            self.fault(name, "type", "must be a list")
            return ()
        if not least <= len(value) <= most:
            self.fault(name, "length", f"must hold {least} to {most} items")
            return ()
        return value

    def forms(self, name: str, most: int, *, least: int = 0) -> "list[Form]":
        """Return a list of objects."""
        items = self.sequence(name, most, least=least)
        return [Form(item, f"{self.at(name)}/{i}", self._faults) for i, item in enumerate(items)]

    def close(self) -> None:
        """Refuse the members nobody asked for."""
        for name in self._members:
            if name not in self._asked:
                self.fault(str(name), "unknown_member", "is not known here")


def _word(value: object, of: type[Choice]) -> Choice | None:
    return of(value) if isinstance(value, str) and value in of._value2member_map_ else None


def _words(of: type[StrEnum]) -> str:
    return ", ".join(of)
