"""What a phone may announce as evidence: kinds, their types, their limits."""

from dataclasses import dataclass
from types import MappingProxyType

from backend.blobs import is_sha256
from backend.domain.policy import EvidenceKind
from backend.errors import InputError, Malformed, TooLarge, UnsupportedMedia
from backend.store.evidence import Upload

MIB = 1024 * 1024
_PICTURES = frozenset({"image/jpeg", "image/png", "image/webp"})
_DRAWINGS = frozenset({"image/png", "application/json"})


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of evidence may be."""

    most_bytes: int
    media_types: frozenset[str]


KINDS = MappingProxyType(
    {
        EvidenceKind.PHOTO: Kind(8 * MIB, _PICTURES),
        EvidenceKind.ID_CHECK: Kind(8 * MIB, _PICTURES),
        EvidenceKind.SIGNATURE: Kind(512 * 1024, _DRAWINGS),
    }
)
MAX_SIZE = max(kind.most_bytes for kind in KINDS.values())


class EvidenceInvalid(Malformed):
    """The announcement lacks something."""

    code = "evidence_invalid"
    title = "The announcement of the evidence is malformed"


class EvidenceTooLarge(TooLarge):
    """Over the limit of its kind, or more bytes than announced."""

    code = "evidence_too_large"
    title = "The evidence is too large"


class EvidenceTypeUnsupported(UnsupportedMedia):
    """Not a media type that this kind of evidence may have."""

    code = "evidence_type_unsupported"
    title = "The media type is not taken for this kind of evidence"


def read_announcement(said: dict[str, str], size: int) -> Upload:
    """Read an announcement.

    Raises:
        EvidenceInvalid: hash or kind are missing or unknown.
        EvidenceTypeUnsupported: the type is not one of the kind's.
        EvidenceTooLarge: it is over the kind's limit.
    """
    sha256, word = said.get("sha256", "").lower(), said.get("kind", "")
    faults = []
    if not is_sha256(sha256):
        faults.append(InputError("/upload_metadata/sha256", "wrong_format", "64 hex digits"))
    if word not in KINDS:
        faults.append(InputError("/upload_metadata/kind", "unknown_value", ", ".join(KINDS)))
    if faults:
        raise EvidenceInvalid(errors=faults)
    kind = KINDS[EvidenceKind(word)]
    media_type = said.get("media_type", "").partition(";")[0].strip().lower()
    if media_type not in kind.media_types:
        raise EvidenceTypeUnsupported(f"{word} is one of {', '.join(sorted(kind.media_types))}")
    if size > kind.most_bytes:
        raise EvidenceTooLarge(f"{word} holds at most {kind.most_bytes} bytes")
    return Upload(sha256, word, media_type, size, "announced")
