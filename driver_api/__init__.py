"""The handset's contract, ``/driver/v1``: versioned and boring."""
