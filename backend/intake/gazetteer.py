"""Known addresses, matched exactly after spelling out habits of writing; nothing is interpolated.

A match needs the house number, the street, the country, and the postcode or else the city. Where
two such entries lie apart, nobody can tell which is meant and a person decides.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from backend.domain.geo import LatLon, distance_m

APART_M = 75.0
_ENDINGS = {
    "aly": "alley", "av": "avenue", "ave": "avenue", "blvd": "boulevard", "bvd": "boulevard",
    "cir": "circle", "cres": "crescent", "ct": "court", "ctr": "center", "dr": "drive",
    "hwy": "highway", "ln": "lane", "pk": "park", "pkwy": "parkway", "pl": "place", "plz": "plaza",
    "rd": "road", "sq": "square", "st": "street", "str": "strasse", "ter": "terrace",
    "tpke": "turnpike", "wy": "way",
}  # fmt: skip
_ANYWHERE = {
    "n": "north", "s": "south", "e": "east", "w": "west", "ne": "northeast", "nw": "northwest",
    "se": "southeast", "sw": "southwest", "mt": "mount", "ft": "fort", "first": "1", "second": "2",
    "third": "3", "fourth": "4", "fifth": "5", "sixth": "6", "seventh": "7", "eighth": "8",
    "ninth": "9", "tenth": "10", "eleventh": "11", "twelfth": "12", "av": "avenue",
    "ave": "avenue", "blvd": "boulevard", "bd": "boulevard",
}  # fmt: skip
_STARTS = {"st": "saint", "ste": "sainte", "dr": "doctor"}
_DIRECTIONS = frozenset(
    ("north", "south", "east", "west", "northeast", "northwest", "southeast", "southwest")
)
_UNIT = re.compile(
    r"(?:^|[\s,]+)(?:(?:apt|apartment|unit|suite|ste|flat|floor|fl|room|rm|no|whg|wohnung)(?![a-z])|#)"
    r"[\s.:#]*(?:\d+\w?|[a-z])?$",
    re.IGNORECASE,
)
_NUMBER = r"\d+(?:[\s-]?[a-z](?![a-z]))?(?:\s?[-/]\s?\d+[a-z]?)?"
_FIRST = re.compile(rf"({_NUMBER})[\s,]+(\S.*)", re.IGNORECASE)
_FIRST_BARE = re.compile(r"(\d+)[\s,]+(\S.*)")
_LAST = re.compile(rf"(.*\S)[\s,]+({_NUMBER})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """An address as asked for; the keys are normalised."""

    doors: tuple[tuple[str, str], ...]
    postcode: str
    city: str
    country: str


@dataclass(frozen=True, slots=True)
class Known:
    """An address as it stands in the gazetteer; the keys are normalised, country may be unknown."""

    number: str
    street: str
    postcode: str
    city: str
    country: str
    location: LatLon


class Found(StrEnum):
    """What came of a look-up."""

    ONE = "one"
    NONE = "none"
    SEVERAL = "several"


def words_key(text: str) -> str:
    """Return words without case, accents and punctuation."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return " ".join(
        re.sub(r"[^\w]+", " ", re.sub(r"['\u2019.]", "", plain)).replace("_", " ").split()
    )


def street_key(text: str) -> str:
    """Return a street with its abbreviations spelled out: ``E. 96th St`` is ``east 96 street``."""
    tokens = words_key(text).split()
    last = len(tokens) - 1
    while last > 0 and _ANYWHERE.get(tokens[last], tokens[last]) in _DIRECTIONS:
        last -= 1
    return " ".join(_spelled(token, i, last) for i, token in enumerate(tokens))


def _spelled(token: str, index: int, last: int) -> str:
    if index == last and index > 0 and token in _ENDINGS:
        return _ENDINGS[token]
    if index != last and token in _STARTS:
        return _STARTS[token]
    if re.fullmatch(r"\d+(st|nd|rd|th)", token):
        return token[:-2]
    if token.endswith("str") and len(token) > 4:
        return token + "asse"
    return _ANYWHERE.get(token, token)


def number_key(text: str) -> str:
    """Return a house number without spaces and case: ``723-B`` is ``723b``."""
    return re.sub(r"\s+|-(?=\s*[a-z])", "", text.casefold())


def city_key(text: str) -> str:
    """Return a town's name; ``St.`` is ``saint`` there."""
    return " ".join({"st": "saint", "ste": "sainte"}.get(t, t) for t in words_key(text).split())


def postcode_key(code: str, country: str) -> str:
    """Return what of a postcode two spellings share: five digits in the United States."""
    bare = re.sub(r"[\s-]+", "", code.casefold())
    return bare[:5] if country in ("US", "") and bare.isdigit() and len(bare) == 9 else bare


def doors(lines: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return every (number, street) that the lines of an address may mean."""
    found = [door for line in lines for piece in _pieces(line) for door in _readings(piece)]
    return tuple(dict.fromkeys(found))


def _pieces(line: str) -> Iterator[str]:
    whole = _UNIT.sub("", line).strip(" ,")
    yield whole
    if "," in whole:
        yield from (_UNIT.sub("", piece).strip() for piece in whole.split(","))


def _readings(piece: str) -> Iterator[tuple[str, str]]:
    for pattern, number, street in ((_FIRST, 1, 2), (_FIRST_BARE, 1, 2), (_LAST, 2, 1)):
        if found := pattern.fullmatch(piece):
            key = street_key(found[street])
            if key:
                yield number_key(found[number]), key


def wanted(lines: Sequence[str], postcode: str | None, city: str, country: str) -> Wanted:
    """Return what to look for."""
    code = postcode_key(postcode or "", country)
    return Wanted(doors(lines), code, city_key(city), country)


def choose(address: Wanted, entries: Sequence[Known]) -> tuple[Found, LatLon | None]:
    """Return the one place meant, or that there is none, or that there are several."""
    places = [entry.location for entry in entries if _matches(address, entry)]
    if not places:
        return Found.NONE, None
    first = min(places, key=lambda place: (place.lat, place.lon))
    if any(distance_m(first, place) > APART_M for place in places):
        return Found.SEVERAL, None
    return Found.ONE, first


def _matches(address: Wanted, entry: Known) -> bool:
    if (entry.number, entry.street) not in address.doors:
        return False
    same_city = bool(address.city) and address.city == entry.city
    same_code = bool(address.postcode) and address.postcode == entry.postcode
    if not entry.country:
        return same_city and same_code
    if entry.country != address.country:
        return False
    return same_code if address.postcode and entry.postcode else same_city


def door_key(number: str, street: str) -> str:
    """Return the key under which the places of a door are stored."""
    return f"{number}|{street}"
