"""A PostgreSQL of our own, living in the data folder, for machines that have none.

Everyone who needs it enters with `running(data)`. Whoever comes first starts the server; it stops
when the last one has left, however they left.
"""

from backend.embedded.cluster import Cluster, EmbeddedFailed, binaries
from backend.embedded.occupancy import running
from backend.embedded.server import is_listening

__all__ = ["Cluster", "EmbeddedFailed", "binaries", "is_listening", "running"]
