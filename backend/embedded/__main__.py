"""The warden's door: `python -m backend.embedded DATA TUNING`; only `warden.post` knocks here."""

import json
import signal
import sys
from pathlib import Path

from backend.embedded.cluster import Cluster
from backend.embedded.warden import watch

if __name__ == "__main__":
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, signal.SIG_IGN)  # it goes when the last user has gone, not before
    watch(Cluster(Path(sys.argv[1])), json.loads(sys.argv[2]))
