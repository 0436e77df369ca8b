# ruff: noqa: RUF001 - full-width digits and signs are what is tested
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest

from backend.intake import countries, phones, postcodes, text
from backend.intake.clean import CleanConsignment
from backend.intake.cleanse import cleanse
from backend.intake.notes import Place, Remarks, one_per_record
from backend.intake.records import ConsignmentIn, Record
from backend.intake.windows import read_bound


def consignment(**members: object) -> dict[str, object]:
    """A good one, with what a test wants otherwise."""
    return {
        "reference": "A-1",
        "recipient": {"name": "Ann Lee"},
        "address": {"lines": ["1 High Street"], "city": "Leeds", "country": "GB"},
        "parcels": [{"barcode": "1", "weight_kg": 1, "volume_dm3": 2.5}],
        **members,
    }


def clean(*values: dict[str, object]) -> tuple[CleanConsignment | None, Remarks]:
    """Cleanse JSON elements of one reference."""
    return cleanse(
        [Record(Place(None, i), msgspec.convert(v, ConsignmentIn)) for i, v in enumerate(values)]
    )


def codes(*values: dict[str, object]) -> list[tuple[str, str]]:
    """The faults as pointer and code."""
    return [(note.pointer, note.code) for note in clean(*values)[1].faults]


def warned(*values: dict[str, object]) -> list[tuple[str, str]]:
    """The warnings as pointer and code; the consignment goes in."""
    found, remarks = clean(*values)
    assert found is not None
    return [(note.pointer, note.code) for note in remarks.warnings]


def test_white_space_case_and_forms_are_made_one() -> None:
    """What people and systems write differently comes out alike."""
    found, remarks = clean(
        consignment(
            reference=" A-1\u200b ",
            segment="Premium",
            service="Next Day",
            recipient={
                "name": "MCDONALD,  ANN-MARIE",
                "phone": "（0113）496 0000",
                "email": "a@B.Example",
            },
            address={
                "lines": ["  1\tHigh\u00a0Street ", ""],
                "postcode": "ls11ur",
                "city": "LEEDS",
                "country": "United Kingdom",
            },
        )
    )
    assert remarks.faults == []
    assert found is not None
    assert (found.reference, found.segment, found.service) == ("A-1", "premium", "next_day")
    assert found.recipient == "McDonald, Ann-Marie"
    assert (found.phone, found.email) == (phones.Phone("+441134960000", sms=False), "a@b.example")
    assert (found.lines, found.postcode, found.city) == (("1 High Street",), "LS1 1UR", "Leeds")
    assert found.country == "GB"


@pytest.mark.parametrize(
    ("raw", "made"),
    [
        ("JOHN O'NEILL", "John O'Neill"),
        ("ludwig van beethoven", "Ludwig van Beethoven"),
        ("McDonald", "McDonald"),
        ("eBay GmbH", "eBay GmbH"),
        ("DHL EXPRESS LTD", "DHL Express Ltd"),
        ("IBM", "IBM"),
        ("SAINT-DENIS", "Saint-Denis"),
        ("the hague", "The Hague"),
        ("ØRJAN ÅS", "Ørjan Ås"),
        ("e\u0301mile zola", "Émile Zola"),
        ("李小龍", "李小龍"),
        ("HENRY VIII", "Henry VIII"),
    ],
)
def test_case_is_mended_only_where_it_says_nothing(raw: str, made: str) -> None:
    """Mixed case is somebody's choice and stays."""
    assert text.proper(text.line(raw)) == made


@pytest.mark.parametrize(
    ("country", "raw", "made"),
    [
        ("US", "941142414", "94114-2414"),
        ("US", "2134", None),
        ("US", "90012", "90012"),
        ("GB", "ec1a1bb", "EC1A 1BB"),
        ("GB", "W1A 0AX", "W1A 0AX"),
        ("GB", "12345", None),
        ("IE", "d6wxy00", "D6W XY00"),
        ("NL", "1012ab", "1012 AB"),
        ("NL", "1012 SS", None),
        ("DE", "D-10115", "10115"),
        ("DE", "00999", None),
        ("BR", "20040002", "20040-002"),
        ("JP", "〒１００-０００１", "100-0001"),
        ("CA", "k1a0b1", "K1A 0B1"),
        ("LI", "9490", "9490"),
        ("LI", "9000", None),
        ("CH", "CH-8001", "8001"),
        ("PL", "00950", "00-950"),
        ("SE", "SE-111 22", "111 22"),
        ("FR", "20000", "20000"),
        ("AE", "anything-1", "ANYTHING-1"),
        ("AE", "!!", None),
    ],
)
def test_postcodes_take_their_countrys_form(country: str, raw: str, made: str | None) -> None:
    """Spacing and case are mended; a code that cannot be is never completed."""
    assert postcodes.normalise(raw, country) == made


@pytest.mark.parametrize(
    ("raw", "code"),
    [("gb", "GB"), ("UK", "GB"), ("EIRE", "IE"), ("usa", "US"), ("U.S.A.", "US"), ("Schweiz", "CH"),
     ("Côte d'Ivoire", "CI"), ("deutschland", "DE"), ("Viet Nam", "VN"), ("Narnia", None),
     ("XX", None), ("GBR", "GB"), ("Cote dIvoire", None)],
)  # fmt: skip
def test_countries_are_known_by_code_and_name(raw: str, code: str | None) -> None:
    """Every ISO code and name, and the spellings people use; nothing else."""
    assert countries.alpha2(raw) == code


@pytest.mark.parametrize(
    ("country", "raw", "e164", "sms"),
    [
        ("GB", "07400 123456", "+447400123456", True),
        ("GB", "0044 7400 123456", "+447400123456", True),
        ("US", "00 44 7400 123456", "+447400123456", True),
        ("GB", "＋４４ ７４００ １２３４５６", "+447400123456", True),
        ("GB", "0121 234 5678", "+441212345678", False),
        ("GB", "0121 234 5678 ext. 12", "+441212345678", False),
        ("US", "(201) 555-0123", "+12015550123", True),
        ("BR", "11 96123-4567", "+5511961234567", True),
    ],
)
def test_phones_become_e164(country: str, raw: str, e164: str, sms: bool) -> None:  # noqa: FBT001
    """Spellings differ, the number is one; a landline gets no text."""
    assert phones.read(raw, country) == phones.Phone(e164, sms)


@pytest.mark.parametrize("raw", ["", "12", "call me", "4.4E+11", "9" * 50])
def test_what_is_no_phone_is_none(raw: str) -> None:
    """Nothing is made of it."""
    assert phones.read(raw, "GB") is None


def test_a_bad_phone_or_email_is_left_out_with_a_warning() -> None:
    """The parcel can be delivered without; the customer's messages cannot."""
    value = consignment(recipient={"name": "Ann", "phone": "12", "email": "ann at home"})
    assert warned(value) == [
        ("/0/recipient/phone", "phone_invalid"),
        ("/0/recipient/email", "email_invalid"),
    ]


@pytest.mark.parametrize(
    ("members", "pointer", "code"),
    [
        ({"reference": "  "}, "/0/reference", "missing"),
        ({"reference": "x" * 81}, "/0/reference", "too_long"),
        ({"reference": "a\0b"}, "/0/reference", "control_character"),
        ({"recipient": {"name": " "}}, "/0/recipient/name", "missing"),
        ({"value": -1}, "/0/value", "out_of_range"),
        ({"location": {"lat": 91, "lon": 0}}, "/0/location/lat", "location_out_of_range"),
        ({"location": {"lat": 1, "lon": -180.5}}, "/0/location/lon", "location_out_of_range"),
        ({"location": {"lat": 1}}, "/0/location/lon", "location_incomplete"),
        ({"window": {"start": "09:00", "end": ""}}, "/0/window/end", "window_incomplete"),
        ({"window": {"start": "nine", "end": "10:00"}}, "/0/window/start", "bad_time"),
        ({"parcels": []}, "/0/parcels", "no_parcels"),
        ({"instructions": "x" * 1_001}, "/0/instructions", "too_long"),
    ],
)
def test_a_fault_names_its_field_and_code(
    members: dict[str, object], pointer: str, code: str
) -> None:
    """One fault, one pointer, one code."""
    assert codes(consignment(**members)) == [(pointer, code)]


@pytest.mark.parametrize(
    ("address", "pointer", "code"),
    [
        ({"city": ""}, "/0/address/city", "missing"),
        ({"lines": []}, "/0/address/lines", "missing"),
        ({"lines": ["x"] * 7}, "/0/address/lines", "too_many"),
        ({"country": "Narnia"}, "/0/address/country", "unknown_country"),
        ({"postcode": "12"}, "/0/address/postcode", "bad_postcode"),
    ],
)
def test_a_fault_in_the_address_is_named(
    address: dict[str, object], pointer: str, code: str
) -> None:
    """The same inside the address."""
    whole = {"lines": ["1 High Street"], "city": "Leeds", "country": "GB", **address}
    assert codes(consignment(address=whole)) == [(pointer, code)]


@pytest.mark.parametrize(
    ("parcel", "pointer", "code"),
    [
        ({"weight_kg": -1}, "/0/parcels/0/weight_kg", "out_of_range"),
        ({"weight_kg": 0}, "/0/parcels/0/weight_kg", "out_of_range"),
        ({"volume_dm3": 1e9}, "/0/parcels/0/volume_dm3", "out_of_range"),
        ({"barcode": " "}, "/0/parcels/0/barcode", "missing"),
        ({"handling": ["<b>"]}, "/0/parcels/0/handling/0", "bad_word"),
    ],
)
def test_a_fault_in_a_parcel_is_named(parcel: dict[str, object], pointer: str, code: str) -> None:
    """The same inside a parcel."""
    whole = {"barcode": "1", "weight_kg": 1, "volume_dm3": 2.5, **parcel}
    assert codes(consignment(parcels=[whole])) == [(pointer, code)]


def test_zero_zero_is_taken_as_unknown() -> None:
    """The spot off Africa where missing coordinates meet is no address."""
    assert warned(consignment(location={"lat": 0, "lon": 0})) == [("/0/location", "location_zero")]


def test_parcels_of_two_records_come_together() -> None:
    """Their heads agree, so they are one consignment."""
    other = consignment(parcels=[{"barcode": "2", "weight_kg": 1, "volume_dm3": 1}])
    found, _ = clean(consignment(), other)
    assert found is not None
    assert [parcel.barcode for parcel in found.parcels] == ["1", "2"]


def test_records_that_contradict_each_other_are_rejected() -> None:
    """Nobody can tell which of two cities is meant."""
    address = {"lines": ["1 High Street"], "city": "York", "country": "GB"}
    assert codes(consignment(), consignment(address=address)) == [
        ("/1/address/city", "reference_conflict")
    ]


def test_the_same_parcel_twice_counts_once() -> None:
    """An exact repeat is told and dropped; another parcel under its barcode is not."""
    assert warned(consignment(), consignment()) == [("/1/parcels/0/barcode", "duplicate_row")]
    heavy = consignment(parcels=[{"barcode": "1", "weight_kg": 9, "volume_dm3": 2.5}])
    assert codes(consignment(), heavy) == [("/1/parcels/0/barcode", "duplicate_barcode")]


def test_a_record_with_two_faults_is_one_rejection() -> None:
    """The first is named, the further one told in its detail."""
    _, remarks = clean(consignment(value=-1, parcels=[]))
    [note] = one_per_record(remarks.faults)
    assert (note.pointer, note.code) == ("/0/value", "out_of_range")
    assert "/0/parcels no_parcels" in note.detail


@pytest.mark.parametrize(
    ("raw", "moment"),
    [
        ("09:30", "2026-07-01T08:30:00+00:00"),
        ("9:30", "2026-07-01T08:30:00+00:00"),
        ("24:00", "2026-07-01T23:00:00+00:00"),
        ("2026-07-01T09:30:00+02:00", "2026-07-01T07:30:00+00:00"),
        ("2026-07-01T09:30", "2026-07-01T08:30:00+00:00"),
        ("2026-07-01T07:30:00.000Z", "2026-07-01T07:30:00+00:00"),
    ],
)
def test_times_are_moments_or_local_clock_times(raw: str, moment: str) -> None:
    """A clock time means the service day in the depot's zone, summer time included."""
    bound = read_bound(raw)
    assert bound is not None
    found = bound.on(date(2026, 7, 1), ZoneInfo("Europe/London"))
    assert found == datetime.fromisoformat(moment).astimezone(UTC)


@pytest.mark.parametrize(
    "raw", ["25:00", "9", "20260701", "2026-W27-3", "2026-02-30T10:00Z", "now"]
)
def test_what_is_no_time_is_none(raw: str) -> None:
    """No other spelling is guessed at."""
    assert read_bound(raw) is None


def test_the_fingerprint_parts_goods_from_contact() -> None:
    """A new phone number changes the contact only, a new parcel the goods."""
    before, _ = clean(consignment())
    phone, _ = clean(consignment(recipient={"name": "Ann Lee", "phone": "07400 123456"}))
    goods, _ = clean(consignment(parcels=[{"barcode": "2", "weight_kg": 1, "volume_dm3": 1}]))
    assert before is not None
    assert phone is not None
    assert goods is not None
    assert before.goods_hash() == phone.goods_hash() != goods.goods_hash()
    assert before.contact_hash() == goods.contact_hash() != phone.contact_hash()
