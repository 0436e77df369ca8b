"""Forms that people send from a page: who sends it, that our page made it, and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec

from backend.errors import Forbidden, Malformed
from backend.identity import people
from backend.identity.callers import SESSION_COOKIE
from backend.identity.people import SignedIn
from backend.store.database import Database
from backend.wire.body import read_body
from backend.wire.request_id import AnyRequest

_LIMIT = 32 * 1024
_MOST_FIELDS = 30
T = TypeVar("T")


class FormInvalid(Malformed):
    """It cannot be read as a form."""

    code = "form_invalid"
    title = "The form cannot be read"


class FormForeign(Forbidden):
    """Another site made the browser send it."""

    code = "form_foreign"
    title = "The form was not sent from this site"


@dataclass(frozen=True, slots=True)
class Form:
    """A form and who sent it."""

    person: SignedIn
    fields: Mapping[str, str]

    def text(self, name: str) -> str:
        """Return a field; an absent one is empty."""
        return self.fields.get(name, "")


async def read_form(request: AnyRequest, db: Database) -> Form:
    """Read a form of somebody who is signed in; it carries the CSRF word in a field.

    Raises:
        SessionOver: nobody is signed in.
        CsrfInvalid: the field does not hold the session's word.
    """
    fields = await read_fields(request)
    token = request.cookies.get(SESSION_COOKIE, "")
    if not token:
        raise people.SessionOver
    word = fields.get("csrf", "")
    person = await people.of_session(db, token, cookie=True, csrf=word, changes=True)
    return Form(person, fields)


async def read_fields(request: AnyRequest) -> dict[str, str]:
    """Read a form's fields, whoever sends it from our own site.

    Raises:
        FormForeign: the browser says that another site sent it.
        FormInvalid: it is not a form, or holds what no text holds.
    """
    if request.headers.get("sec-fetch-site", "same-origin") == "cross-site":
        raise FormForeign
    raw = await read_body(request, _LIMIT)
    try:
        pairs = parse_qsl(
            raw.decode("utf-8"),
            keep_blank_values=True,
            max_num_fields=_MOST_FIELDS,
            errors="strict",
        )
    except ValueError as error:
        raise FormInvalid from error
    if any("\0" in value for _, value in pairs):
        raise FormInvalid
    return dict(pairs)


def shaped(fields: Mapping[str, object], shape: type[T]) -> T:
    """Read fields as the same shape that the API takes.

    Raises:
        FormInvalid: they are not.
    """
    try:
        return msgspec.convert(fields, shape)
    except msgspec.ValidationError as error:
        raise FormInvalid(str(error)) from error
