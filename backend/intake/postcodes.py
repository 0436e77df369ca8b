"""Postcodes: the form each country writes them in. What does not fit is told, never guessed.

A pattern is matched against the code without spaces, hyphens and dots; ``shape`` says how it is
written, ``#`` standing for one character of it.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Form:
    """How one country's postcodes look."""

    pattern: re.Pattern[str]
    shapes: tuple[str, ...] = ()

    def write(self, code: str) -> str:
        """Return the code with the separators its country uses."""
        for shape in self.shapes:
            if shape.count("#") == len(code):
                rest = iter(code)
                return "".join(next(rest) if mark == "#" else mark for mark in shape)
        return code


def _form(pattern: str, *shapes: str) -> Form:
    return Form(re.compile(pattern), shapes)


_UK = (
    r"(GIR0AA|([A-PR-UWYZ]([0-9]{1,2}|[A-HK-Y][0-9]|[A-HK-Y][0-9][0-9ABEHMNPRV-Y]"
    r"|[0-9][A-HJKPS-UW]))[0-9][ABD-HJLNP-UW-Z]{2})"
)
_UK_SHAPES = ("## ###", "### ###", "#### ###")
_CANADA = r"[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z]\d[ABCEGHJ-NPRSTV-Z]\d"
_FOUR = _form(r"\d{4}")
_FIVE = _form(r"\d{5}")
_SIX = _form(r"\d{6}")

FORMS = {
    "AD": _form(r"AD[1-7]00"),
    "AR": _form(r"([A-Z]\d{4}[A-Z]{3}|\d{4})"),
    "AT": _form(r"[1-9]\d{3}"),
    "AU": _FOUR,
    "BE": _form(r"[1-9]\d{3}"),
    "BG": _FOUR,
    "BR": _form(r"\d{8}", "#####-###"),
    "CA": _form(_CANADA, "### ###"),
    "CH": _form(r"[1-9]\d{3}"),
    "CN": _SIX,
    "CO": _SIX,
    "CY": _FOUR,
    "CZ": _form(r"[1-7]\d{4}", "### ##"),
    "DE": _form(r"(0[1-9]|[1-9]\d)\d{3}"),
    "DK": _FOUR,
    "EE": _FIVE,
    "ES": _form(r"(0[1-9]|[1-4]\d|5[0-2])\d{3}"),
    "FI": _FIVE,
    "FR": _form(r"(0[1-9]|[1-8]\d|9[0-8])\d{3}"),
    "GB": _form(_UK, *_UK_SHAPES),
    "GG": _form(r"GY\d{2,3}[A-Z]{2}", "### ###", "#### ###"),
    "GR": _form(r"\d{5}", "### ##"),
    "HR": _form(r"[1-5]\d{4}"),
    "HU": _FOUR,
    "IE": _form(r"([AC-FHKNPRTV-Y]\d{2}|D6W)[0-9AC-FHKNPRTV-Y]{4}", "### ####"),
    "IL": _form(r"\d{5}(\d{2})?"),
    "IM": _form(r"IM\d{2,3}[A-Z]{2}", "### ###", "#### ###"),
    "IN": _form(r"[1-9]\d{5}"),
    "IS": _form(r"\d{3}"),
    "IT": _FIVE,
    "JE": _form(r"JE\d{2,3}[A-Z]{2}", "### ###", "#### ###"),
    "JP": _form(r"\d{7}", "###-####"),
    "KR": _FIVE,
    "LI": _form(r"94(8[5-9]|9[0-8])"),
    "LT": _form(r"(LT)?\d{5}", "#####", "##-#####"),
    "LU": _form(r"(L)?\d{4}", "####", "#-####"),
    "LV": _form(r"(LV)?\d{4}", "####", "##-####"),
    "MC": _form(r"980\d{2}"),
    "MT": _form(r"[A-Z]{3}\d{2,4}", "### ##", "### ###", "### ####"),
    "MX": _FIVE,
    "MY": _FIVE,
    "NL": _form(r"[1-9]\d{3}(?!SA|SD|SS)[A-Z]{2}", "#### ##"),
    "NO": _FOUR,
    "NZ": _FOUR,
    "PH": _FOUR,
    "PL": _form(r"\d{5}", "##-###"),
    "PR": _form(r"00[679]\d{2}(\d{4})?", "#####", "#####-####"),
    "PT": _form(r"[1-9]\d{3}(\d{3})?", "####", "####-###"),
    "RO": _SIX,
    "RS": _FIVE,
    "RU": _SIX,
    "SE": _form(r"[1-9]\d{4}", "### ##"),
    "SG": _SIX,
    "SI": _form(r"[1-9]\d{3}"),
    "SK": _form(r"[089]\d{4}", "### ##"),
    "SM": _form(r"4789\d"),
    "TH": _FIVE,
    "TR": _FIVE,
    "TW": _form(r"\d{3}(\d{2,3})?"),
    "UA": _FIVE,
    "US": _form(r"\d{5}(\d{4})?", "#####", "#####-####"),
    "VN": _form(r"\d{5,6}"),
    "ZA": _FOUR,
}
_SEPARATORS = re.compile(r"[\s.\-\u2010-\u2015\u2212\u3000]+")
_ANY = re.compile(r"[A-Z0-9][A-Z0-9 \-]{0,11}")


def normalise(text: str, country: str) -> str | None:
    """Return the postcode as its country writes it, or None where it cannot be one.

    A prefix of the country itself (``D-10115``, ``CH-8001``) is a habit and is taken off.
    """
    code = _half_width(text).upper().strip()
    form = FORMS.get(country)
    if form is None:
        return code if _ANY.fullmatch(code) else None
    bare = _SEPARATORS.sub("", code)
    for candidate in (bare, _without_prefix(bare, country)):
        if form.pattern.fullmatch(candidate):
            return form.write(candidate)
    return None


_PREFIXES = {"AT": ("A",), "BE": ("B",), "DE": ("D",), "FR": ("F",), "CH": ("CH",), "FI": ("FIN",),
             "DK": ("DK",), "SE": ("S", "SE"), "IT": ("I", "IT"), "NO": ("N",), "LI": ("FL",),
             "JP": ("\u3012",)}  # fmt: skip


def _without_prefix(bare: str, country: str) -> str:
    for prefix in (*_PREFIXES.get(country, ()), country):
        if bare.startswith(prefix) and bare[len(prefix) :].isdigit():
            return bare[len(prefix) :]
    return bare


def _half_width(text: str) -> str:
    return "".join(chr(ord(c) - 0xFEE0) if "\uff01" <= c <= "\uff5e" else c for c in text)
