"""Phone numbers to E.164, and which of them may be sent a text message."""

import re
import unicodedata
from dataclasses import dataclass

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberFormat, PhoneNumberType

LONGEST = 40
_MOBILE = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)


@dataclass(frozen=True, slots=True)
class Phone:
    """A valid number; ``sms`` says whether a text can reach it."""

    e164: str
    sms: bool


def read(text: str, country: str) -> Phone | None:
    """Read a number as dialled in a country; None where it cannot be one."""
    plain = unicodedata.normalize("NFKC", text).strip()
    if not plain or len(plain) > LONGEST:
        return None
    found = _valid(plain, country) or _valid(re.sub(r"^\+?\s*00\s*", "+", plain), country)
    if found is None:
        return None
    e164 = phonenumbers.format_number(found, PhoneNumberFormat.E164)
    return Phone(e164, not found.extension and phonenumbers.number_type(found) in _MOBILE)


def _valid(text: str, country: str | None) -> PhoneNumber | None:
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) else None
