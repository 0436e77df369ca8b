"""The mother of lives: a process that has loaded everything, and forks a server at each word.

``python -m tests.faults.mother PORT CODE EMAIL`` with an installation's environment. A line on her
input is the aim of the next life (``point nth``, or ``-`` for none); the line ``end`` ends it. When
a life has ended she answers with how, and with the counts of all points. She ends, and her child
with her, with her input.
"""

import asyncio
import json
import os
import random
import select
import signal
import sys
import tempfile
from pathlib import Path

import httpx
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server
from litestar import Litestar

from backend.app import create_app
from backend.cli import lifeline
from backend.settings import load
from handset import Handset
from pod.inspector import Inspector
from tests.faults.points import POINTS, Aim, Counts, Fate
from tests.faults.seams import Watched, hang
from tests.faults.work import Driver, Supervisor

END = "end"
WITHIN = "http://within"


def main(port: int, code: str, email: str) -> None:
    """Bear lives until the input ends."""
    counts = Counts()
    fate = Fate(counts)
    hang(fate)
    app = create_app(load(os.environ))
    asyncio.run(_warm(app, code, email))
    _say({"ready": True})
    while line := sys.stdin.readline():
        if line.strip() == END:  # meant for a life that had just ended by itself
            continue
        child = os.fork()
        if child == 0:
            _live(Watched(app, fate), port, fate, _aim(line))
        ended = _await(child)
        if ended is None:
            return
        _say({"signal": ended, "counts": {name: counts.of(name) for name in POINTS}})


async def _warm(app: Litestar, code: str, email: str) -> None:
    """Serve a visit and an edit within this process, so that no life has to learn from nothing.

    What was opened for it is closed again; what stays is what was compiled.
    """
    ground = app.state["ground"]
    await ground.blobs.prepare()
    road = httpx.ASGITransport(app)  # type: ignore[arg-type]  # litestar's words for the same
    with tempfile.TemporaryDirectory() as folder:
        async with Handset(Path(folder), WITHIN, transport=road) as phone:
            await phone.enrol(code)
            await phone.sync()
            driver = Driver(phone, random.Random(0), most_bytes=60_000)
            for _ in range(3):
                driver.act()
                await driver.settle()
    await Supervisor(WITHIN, email, random.Random(0), road=road).edit_once()
    ground.inspector.close()
    ground.inspector = Inspector(workers=1)
    await ground.db.close()


def _aim(line: str) -> Aim | None:
    point, _, nth = line.strip().partition(" ")
    return None if point == "-" else Aim(point, int(nth))


def _live(app: Watched, port: int, fate: Fate, aim: Aim | None) -> None:
    """Serve until the end, in whatever form it comes."""
    lifeline.hold_on_to_parent()
    fate.begin(aim)
    server = Server(
        app, port=port, interface=Interfaces.ASGI, log_level=LogLevels.error, websockets=False
    )
    try:
        asyncio.run(server.serve())
    finally:
        os._exit(1)


def _await(child: int) -> int | None:
    """Wait for a life's end, and return its signal; None if nobody wants to know any more."""
    handle = os.pidfd_open(child)
    try:
        ready, _, _ = select.select([handle, sys.stdin], [], [])
        if handle not in ready:
            wanted = bool(sys.stdin.readline())
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return 0 if wanted else None
    finally:
        os.close(handle)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


def _say(told: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
