"""Each user's vigil: whoever uses the server has it started again when it dies under him.

A server that dies takes its warden along, and a warden can be killed alone; both look alike from
here: the post is empty while we are still in. Then a new warden is posted, who takes over the
living server or starts it again.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping

from backend.embedded.cluster import Cluster, EmbeddedFailed
from backend.embedded.locks import held_if_free
from backend.embedded.server import log_tail, mend
from backend.embedded.warden import collect, is_posted, post

LOOK_SECONDS = 0.5
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 10.0
TRIES = 6  # half a minute
STEADY_SECONDS = 60.0  # what stood for so long has not failed in a row with what failed before

_log = logging.getLogger("doorstep.embedded")


def pause(tries: int) -> float:
    """Return how many seconds to wait after so many tries in a row."""
    return float(min(FIRST_PAUSE * 2**tries, LONGEST_PAUSE))


class Vigil:
    """A thread that looks after the server for one user, from `begin` to `end`."""

    def __init__(
        self, cluster: Cluster, tuning: Mapping[str, str], lost: Callable[[str], None]
    ) -> None:
        self._cluster = cluster
        self._tuning = tuning
        self._lost = lost
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="vigil", daemon=True)

    def begin(self) -> None:
        """Look after the server from now on."""
        self._thread.start()

    def end(self) -> None:
        """Return when nothing will be started any more."""
        self._over.set()
        self._thread.join()

    def _keep(self) -> None:
        tries, since = 0, time.monotonic()
        while not self._over.wait(LOOK_SECONDS):
            if self._is_kept():
                tries = tries if time.monotonic() - since < STEADY_SECONDS else 0
                continue
            if tries == TRIES:
                self._give_up()
                return
            _log.warning("PostgreSQL ended unexpectedly, and is started again (%d)", tries + 1)
            if self._over.wait(pause(tries)):
                return
            tries, since = tries + self._post(), time.monotonic()

    def _is_kept(self) -> bool:
        """Whether a warden is there, or somebody is just coming or going and sees to it."""
        try:
            with held_if_free(self._cluster.lock("start")) as ours:
                return not ours or is_posted(self._cluster)
        except (EmbeddedFailed, OSError):
            return False

    def _post(self) -> bool:
        """Try once; tells whether it was us who tried."""
        collect()
        try:
            with held_if_free(self._cluster.lock("start")) as ours:
                return ours and post(self._cluster, self._tuning, lambda: mend(self._cluster))
        except (EmbeddedFailed, OSError) as error:
            _log.warning("PostgreSQL cannot be started: %s", error)
            return True

    def _give_up(self) -> None:
        self._lost(
            f"PostgreSQL ended and did not stay up in {TRIES} further starts; the end of "
            f"{self._cluster.log} is\n{log_tail(self._cluster)}"
        )
