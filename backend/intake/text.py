"""Plain text made plain: one Unicode form, one kind of space, no invisible characters.

Case is mended only where it carries nothing: text all in capitals or all in small letters.
"""

import re
import unicodedata

_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]")
_CONTROL = re.compile("[\x01-\x1f\x7f-\x9f]")
_CONTROL_BUT_BREAKS = re.compile("[\x01-\x09\x0b-\x1f\x7f-\x9f]")
_SPACES = re.compile(r"\s+")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*", re.UNICODE)
_PARTICLES = (
    "am", "an", "and", "auf", "bei", "da", "de", "del", "della", "den", "der", "des", "di", "do",
    "dos", "du", "e", "en", "et", "i", "la", "le", "les", "of", "op", "sous", "sur", "the", "und",
    "van", "von", "y", "zu", "zum", "zur",
)  # fmt: skip
_FIXED = {"gmbh": "GmbH", "llc": "LLC", "plc": "PLC", "ltd": "Ltd", "kg": "KG", "ag": "AG"}
_ROMAN = re.compile(r"(?=[ivx])x{0,3}(ix|iv|v?i{0,3})")


def line(text: str) -> str:
    """Return one line: NFC, spaces folded, control and invisible characters gone."""
    text = _INVISIBLE.sub("", unicodedata.normalize("NFC", text))
    return _SPACES.sub(" ", _CONTROL.sub(" ", text)).strip()


def paragraph(text: str) -> str:
    """Return text that keeps its line breaks, otherwise as ``line``."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _INVISIBLE.sub("", unicodedata.normalize("NFC", text))
    rows = [_SPACES.sub(" ", row).strip() for row in _CONTROL_BUT_BREAKS.sub(" ", text).split("\n")]
    return "\n".join(rows).strip()


def proper(text: str) -> str:
    """Return a name with capitals, if it came without any distinction of case."""
    letters = [c for c in text if c.isalpha()]
    one_case = all(c.isupper() for c in letters) or all(c.islower() for c in letters)
    if not one_case or (len(letters) <= 4 and text.isupper()):
        return text
    mended = _WORD.sub(lambda found: _proper_word(found[0]), text)
    return mended[:1].upper() + mended[1:]


def _proper_word(word: str) -> str:
    small = word.lower()
    if small in _FIXED:
        return _FIXED[small]
    if small in _PARTICLES:
        return small
    if word.isupper() and _initials(small):
        return word
    return _capital(small)


def _initials(small: str) -> bool:
    """Whether a word in capitals stays so: no vowel to speak it by, or a Roman numeral."""
    unspeakable = not re.search("[aeiouy\u00e0-\u00ff]", small)
    return len(small) <= 4 and (unspeakable or _ROMAN.fullmatch(small) is not None)


def _capital(small: str) -> str:
    if len(small) > 4 and small.startswith("mc"):
        return "Mc" + small[2:].capitalize()
    head, mark, tail = _apostrophe(small)
    if mark and len(head) == 1 and len(tail) > 1:
        return head.upper() + mark + tail.capitalize()
    return small[:1].upper() + small[1:]


def _apostrophe(small: str) -> tuple[str, str, str]:
    for mark in ("'", "\u2019"):
        if mark in small:
            return small.partition(mark)
    return small, "", ""
