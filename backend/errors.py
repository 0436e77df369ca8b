"""The error tree. Every refusal a caller can see is a class here or in the package that refuses.

    DoorstepError(code, status, title)
    ├── Malformed            400   the bytes are not what the contract says
    ├── NotSignedIn          401   nobody, or a token that no longer counts
    ├── Forbidden            403   somebody, but not allowed
    ├── NotFound             404   not there, or not yours: the answer is the same
    ├── StateConflict        409   true once, but not now
    ├── TooLarge             413
    ├── UnsupportedMedia     415
    ├── TooManyTries         429   carries Retry-After
    └── Unavailable          503   ours to mend; carries Retry-After

Rules return values; exceptions mean "the caller may not". They are rendered once, as RFC 9457
problem details. 422 is not used: malformed input is 400. docs/errors.md lists every code, and a
law test holds that page and this tree together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class InputError:
    """One fault in the input: where (RFC 6901 pointer), which, and in words."""

    pointer: str
    code: str
    detail: str


class DoorstepError(Exception):
    """Root of everything that is answered with a problem document."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong on our side"

    def __init__(
        self,
        detail: str = "",
        *,
        errors: Sequence[InputError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        # A detail may quote hostile input; half a surrogate would break the log it is written to.
        self.detail = (detail or self.title).encode("utf-8", "replace").decode()
        super().__init__(self.detail)
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


class Malformed(DoorstepError):
    """The input is not what the contract describes; where no place can be told, it is all of it."""

    code = "malformed"
    status = 400
    title = "The request is malformed"

    def __init__(
        self,
        detail: str = "",
        *,
        errors: Sequence[InputError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail, errors=errors, headers=headers)
        self.errors = self.errors or (InputError("", self.code, self.detail),)


class NotSignedIn(DoorstepError):
    """No credential, or one that does not count."""

    code = "not_signed_in"
    status = 401
    title = "Sign in first"


class Forbidden(DoorstepError):
    """Known caller, not allowed."""

    code = "forbidden"
    status = 403
    title = "Not allowed"


class NotFound(DoorstepError):
    """Absent or out of scope; the two are never told apart."""

    code = "not_found"
    status = 404
    title = "Not found"


class StateConflict(DoorstepError):
    """The thing exists but is not in a state that allows this."""

    code = "state_conflict"
    status = 409
    title = "Not possible in the present state"


class TooLarge(DoorstepError):
    """More bytes than the limit."""

    code = "body_too_large"
    status = 413
    title = "The body is too large"


class UnsupportedMedia(DoorstepError):
    """A type we do not take."""

    code = "media_type_unsupported"
    status = 415
    title = "The media type is not supported"


class TooManyTries(DoorstepError):
    """Slow down; Retry-After tells for how long."""

    code = "too_many_tries"
    status = 429
    title = "Too many tries"


class Unavailable(DoorstepError):
    """A passing fault; nothing was recorded, sending again is safe."""

    code = "unavailable"
    status = 503
    title = "Not available right now"

    def __init__(self, detail: str = "", *, retry_after_s: int = 2) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after_s)})
