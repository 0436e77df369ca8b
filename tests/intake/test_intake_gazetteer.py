import pytest

from backend.domain.geo import LatLon
from backend.intake.gazetteer import Found, Known, choose, doors, street_key, wanted

HERE = LatLon(39.2930, -76.5866)
NEAR = LatLon(39.2931, -76.5866)
FAR = LatLon(39.3930, -76.5866)


def known(place: LatLon = HERE, **keys: str) -> Known:
    """An entry of the gazetteer, with what a test wants otherwise."""
    values = {"number": "2120", "street": "east fairmount avenue", "postcode": "21231",
              "city": "baltimore", "country": "US", **keys}  # fmt: skip
    return Known(**values, location=place)


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ("E. 96th St", "east 96 street"),
        ("East Ninety Sixth Street", "east ninety 6 street"),
        ("St. Paul St", "saint paul street"),
        ("St Paul Street", "saint paul street"),
        ("N Charles Street", "north charles street"),
        ("Charles St N", "charles street north"),
        ("Hauptstr.", "hauptstrasse"),
        ("Hauptstraße", "hauptstrasse"),
        ("STÄDTLE", "stadtle"),
        ("O'Donnell St", "odonnell street"),
        ("Dr Martin Luther King Jr Blvd", "doctor martin luther king jr boulevard"),
        ("5th Ave", "5 avenue"),
        ("Fifth Avenue", "5 avenue"),
    ],
)
def test_streets_are_spelled_out(raw: str, key: str) -> None:
    """Habits of writing vanish, nothing else does."""
    assert street_key(raw) == key


@pytest.mark.parametrize(
    ("line", "door"),
    [
        ("2120 E Fairmount Ave", ("2120", "east fairmount avenue")),
        ("2120 E Fairmount Ave Apt 3", ("2120", "east fairmount avenue")),
        ("2120 E Fairmount Ave, #2f", ("2120", "east fairmount avenue")),
        ("Flat 3, 12a High Street", ("12a", "high street")),
        ("Städtle 43", ("43", "stadtle")),
        ("Hauptstr. 12 a", ("12a", "hauptstrasse")),
        ("12-14 High Street", ("12-14", "high street")),
        ("723-B South Broadway", ("723b", "south broadway")),
    ],
)
def test_doors_are_found_in_lines(line: str, door: tuple[str, str]) -> None:
    """Number first or last; flats and suites do not matter."""
    assert door in doors([line])


@pytest.mark.parametrize(
    ("postcode", "city", "entries", "found"),
    [
        ("21231", "Baltimore", [known()], Found.ONE),
        ("21231-1234", "Baltimore", [known()], Found.ONE),
        (None, "Baltimore", [known()], Found.ONE),
        ("21231", "Balto", [known()], Found.ONE),
        ("21231", "Baltimore", [known(postcode="")], Found.ONE),
        ("21230", "Baltimore", [known()], Found.NONE),
        (None, "Towson", [known()], Found.NONE),
        ("21231", "Baltimore", [known(postcode="", city="")], Found.NONE),
        ("21231", "Baltimore", [known(country="")], Found.ONE),
        ("21231", "Balto", [known(country="")], Found.NONE),
        ("21231", "Baltimore", [known(country="CA")], Found.NONE),
        ("21231", "Baltimore", [known(number="2122")], Found.NONE),
        ("21231", "Baltimore", [known(), known(NEAR)], Found.ONE),
        ("21231", "Baltimore", [known(), known(FAR)], Found.SEVERAL),
        ("21231", "Baltimore", [], Found.NONE),
    ],
)
def test_only_an_exact_match_counts(
    postcode: str | None, city: str, entries: list[Known], found: Found
) -> None:
    """Street, number, country, and postcode or city; two places apart are nobody's guess."""
    result, place = choose(wanted(["2120 E Fairmount Ave"], postcode, city, "US"), entries)
    assert result is found
    assert (place is not None) == (found is Found.ONE)
