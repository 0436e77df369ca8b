"""Choose the stores that an installation's settings ask for."""

from backend.blobs.folder import FolderBlobs
from backend.blobs.keep import Blobs
from backend.blobs.staging import Staging
from backend.settings import Settings


def open_blobs(settings: Settings) -> Blobs:
    """Return S3 where an endpoint is set, else the folder ``blobs`` in the data directory."""
    if settings.s3 is None:
        return FolderBlobs(settings.data / "blobs")
    # boto3 takes a quarter of a second to import; installations without S3 never pay it.
    from backend.blobs.s3 import S3Blobs

    return S3Blobs(settings.s3)


def open_staging(settings: Settings) -> Staging:
    """Return the place where unfinished uploads wait."""
    return Staging(settings.data / "staging")
