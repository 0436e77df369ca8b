"""Country names and codes to ISO 3166-1 alpha-2.

The list itself comes with the time zone data we already depend on; here stand only the spellings
that people use and that list does not.
"""

import re
import unicodedata
from functools import cache
from importlib.resources import files

_ALSO = """
AE UAE ARE|AR ARG|AT AUT Österreich Oesterreich|AU AUS|BE BEL Belgique België Belgien|BG BGR|
BR BRA Brasil|CA CAN|CH CHE Schweiz Suisse Svizzera Swiss|CN CHN|CO COL|CY CYP|
CZ CZE Czechia Česko|DE DEU GER Deutschland FRG|DK DNK Danmark|EE EST|ES ESP España|
FI FIN Suomi|FR FRA|
GB UK GBR Great_Britain United_Kingdom Britain England Scotland Wales Northern_Ireland|
GR GRC Hellas|HK HKG|HR HRV Hrvatska|HU HUN Magyarország|
IE IRL EIRE Éire Republic_of_Ireland|IL ISR|IN IND|IS ISL|IT ITA Italia|JP JPN Nippon 日本|
KR KOR South_Korea Republic_of_Korea|LI LIE|LT LTU|LU LUX|LV LVA|MT MLT|MX MEX México|MY MYS|
NL NLD Nederland Holland The_Netherlands|NO NOR Norge|NZ NZL|PH PHL|PL POL Polska|PT PRT|
RO ROU România|RS SRB|RU RUS Russian_Federation|SA SAU|SE SWE Sverige|SG SGP|SI SVN|SK SVK|
TH THA|TR TUR Türkiye|TW TWN|UA UKR|US USA United_States_of_America America U.S.A.|
VA Holy_See|VN VNM Viet_Nam|ZA ZAF RSA|CI Ivory_Coast|KP North_Korea|MM Myanmar Burma|
CD DR_Congo|CV Cabo_Verde|SZ Eswatini Swaziland|TL Timor-Leste|FM FSM
"""


def alpha2(text: str) -> str | None:
    """Return the two-letter code of a country named by code or name, or None if it is none."""
    return _names().get(_key(text))


@cache
def _names() -> dict[str, str]:
    table = files("tzdata.zoneinfo").joinpath("iso3166.tab").read_text(encoding="utf-8")
    rows = [row.split("\t") for row in table.splitlines() if row and not row.startswith("#")]
    known = {_key(name): code for code, name in rows} | {code: code for code, _ in rows}
    for entry in _ALSO.split("|"):
        code, *spellings = entry.split()
        known |= {_key(spelling.replace("_", " ")): code for spelling in spellings}
    return known


def _key(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).upper()
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return " ".join(re.sub(r"[^\w&]+", " ", plain.replace(".", "")).split())
