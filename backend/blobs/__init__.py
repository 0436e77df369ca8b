"""Where evidence lives: content-addressed, immutable, in a folder or in an S3 bucket.

`open_blobs` chooses by the settings. `staging` holds uploads that are still under way. Blocking
calls run in threads behind one limiter each; nothing outside this package knows boto3.
"""

from backend.blobs.address import BlobMissing, BlobsUnavailable, is_sha256
from backend.blobs.folder import FolderBlobs
from backend.blobs.keep import Blobs, read_bytes
from backend.blobs.opening import open_blobs, open_staging
from backend.blobs.staging import Part, Staging, StandsElsewhereError, UploadTakenOver

__all__ = [
    "BlobMissing",
    "Blobs",
    "BlobsUnavailable",
    "FolderBlobs",
    "Part",
    "Staging",
    "StandsElsewhereError",
    "UploadTakenOver",
    "is_sha256",
    "open_blobs",
    "open_staging",
    "read_bytes",
]
