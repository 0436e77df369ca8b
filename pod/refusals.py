"""Why a file is not taken as evidence. Raised where it is decoded, and again where it was sent."""

from backend.errors import TooLarge, UnsupportedMedia


class PhotoUnreadable(UnsupportedMedia):
    """Not a whole JPEG, PNG or WebP picture."""

    code = "photo_unreadable"
    title = "The photo cannot be read"


class PhotoTooLarge(TooLarge):
    """More bytes or pixels than a photo may have."""

    code = "photo_too_large"
    title = "The photo is too large"


class SignatureUnreadable(UnsupportedMedia):
    """Neither strokes nor a whole PNG."""

    code = "signature_unreadable"
    title = "The signature cannot be read"


class SignatureTooLarge(TooLarge):
    """More bytes, points or pixels than a signature may have."""

    code = "signature_too_large"
    title = "The signature is too large"
