"""The words of tus 1.0.0 (resumable uploads): what its headers say, read strictly."""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backend.errors import DoorstepError, InputError, Malformed, UnsupportedMedia

if TYPE_CHECKING:
    from hashlib import _Hash

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,checksum,termination"
ALGORITHMS = ("sha256", "sha1", "md5")
PATCH_TYPE = "application/offset+octet-stream"
_MOST_DIGITS = 15  # below 2^53


class TusVersionUnsupported(DoorstepError):
    """The client speaks another version of tus."""

    code = "tus_version_unsupported"
    status = 412
    title = "Only tus 1.0.0 is spoken here"


class TusHeaderInvalid(Malformed):
    """A tus header is missing or cannot be read."""

    code = "tus_header_invalid"
    title = "A tus header is missing or malformed"


class PatchTypeUnsupported(UnsupportedMedia):
    """Upload bytes come as ``application/offset+octet-stream``, as they are."""

    code = "patch_type_unsupported"
    title = "Upload bytes come as application/offset+octet-stream"


class ChecksumMismatch(DoorstepError):
    """The bytes are not those the client meant to send."""

    code = "checksum_mismatch"
    status = 460
    title = "The checksum does not match the bytes"


@dataclass(frozen=True, slots=True)
class Checksum:
    """What one request's bytes must hash to."""

    algorithm: str
    digest: bytes

    def begin(self) -> "_Hash":
        """Start hashing."""
        return hashlib.new(self.algorithm, usedforsecurity=False)


def check_version(headers: Mapping[str, str]) -> None:
    """Refuse another version; a client that names none is taken at its word.

    Raises:
        TusVersionUnsupported: with the version that is spoken.
    """
    named = headers.get("tus-resumable")
    if named is not None and named.strip() != VERSION:
        raise TusVersionUnsupported(headers={"Tus-Version": VERSION})


def number(headers: Mapping[str, str], name: str) -> int:
    """Read a header that is a whole number."""
    text = headers.get(name.lower(), "")
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise _invalid(name, "a whole number is needed")
    return int(text)


def metadata(headers: Mapping[str, str]) -> dict[str, str]:
    """Read ``Upload-Metadata``: comma-separated ``key base64``."""
    said: dict[str, str] = {}
    for pair in filter(None, headers.get("upload-metadata", "").split(",")):
        key, _, value = pair.strip().partition(" ")
        if not key or key in said:
            raise _invalid("Upload-Metadata", "keys are not empty and not repeated")
        said[key] = _text(value)
    return said


def write_metadata(said: Mapping[str, str]) -> str:
    """Write ``Upload-Metadata`` as the client had it."""
    return ",".join(f"{key} {b64encode(value.encode()).decode()}" for key, value in said.items())


def checksum(headers: Mapping[str, str]) -> Checksum | None:
    """Read ``Upload-Checksum``: algorithm and base64 digest; None if the client sent none."""
    said = headers.get("upload-checksum")
    if said is None:
        return None
    algorithm, _, encoded = said.strip().partition(" ")
    if algorithm not in ALGORITHMS:
        raise _invalid("Upload-Checksum", f"the algorithms are {', '.join(ALGORITHMS)}")
    digest = _decode("Upload-Checksum", encoded)
    if len(digest) != hashlib.new(algorithm, usedforsecurity=False).digest_size:
        raise _invalid("Upload-Checksum", f"not the length of a {algorithm}")
    return Checksum(algorithm, digest)


def check_patch_type(headers: Mapping[str, str]) -> None:
    """Refuse bytes in any other type or encoding."""
    if not is_patch(headers) or headers.get("content-encoding", "identity") != "identity":
        raise PatchTypeUnsupported


def is_patch(headers: Mapping[str, str]) -> bool:
    """Tell whether the request's body is a piece of an upload."""
    return headers.get("content-type", "").partition(";")[0].strip().lower() == PATCH_TYPE


def _text(value: str) -> str:
    try:
        return _decode("Upload-Metadata", value).decode()
    except UnicodeDecodeError as error:
        raise _invalid("Upload-Metadata", "values are UTF-8 text") from error


def _decode(name: str, value: str) -> bytes:
    try:
        return b64decode(value.strip(), validate=True)
    except ValueError as error:
        raise _invalid(name, "not base64") from error


def _invalid(name: str, detail: str) -> TusHeaderInvalid:
    pointer = "/" + name.lower().replace("-", "_")
    return TusHeaderInvalid(f"{name}: {detail}", errors=[InputError(pointer, "invalid", detail)])
