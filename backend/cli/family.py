"""Child processes that begin, and end, with us.

Each child leads a process group of its own, so that a Ctrl-C reaches only us, and so that whatever
it started can be ended with it. `lifeline` is for the case that we are killed.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backend.cli import lifeline

STOP_SECONDS = 12.0
_ROOT = Path(__file__).parents[2]


class NotStarted(RuntimeError):
    """The system did not come up; the message says why."""


@dataclass(slots=True)
class Family:
    """The children by name, and the reading side of their lifeline."""

    _pipe: int
    _children: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    _births: dict[str, tuple[Sequence[str], Mapping[str, str]]] = field(default_factory=dict)

    async def add(self, name: str, command: Sequence[str], environ: Mapping[str, str]) -> None:
        """Start `doorstep COMMAND` as a child."""
        self._births[name] = (command, environ)
        self._children[name] = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "backend.cli",
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=sys.stderr,  # ours is for the result
            env={**environ, lifeline.VARIABLE: str(self._pipe), "PYTHONPATH": str(_ROOT)},
            pass_fds=(self._pipe,),
            start_new_session=True,
        )

    async def kill(self, name: str) -> None:
        """End a child and everything it started as a power cut would."""
        os.killpg(self._children[name].pid, signal.SIGKILL)
        await self._children[name].wait()

    async def again(self, name: str) -> None:
        """Start a child anew, as it was started before."""
        await self.add(name, *self._births[name])

    async def first_end(self) -> str:
        """Wait until a child ends and return its name."""
        waits = {asyncio.create_task(child.wait()): name for name, child in self._children.items()}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return waits[done.pop()]
        finally:
            for task in waits:
                task.cancel()

    async def stop(self) -> None:
        """End all children: politely, then at once, with everything they started."""
        await asyncio.gather(*(_stop(child) for child in self._children.values()))


@contextlib.asynccontextmanager
async def family() -> AsyncIterator[Family]:
    """Gather children; none outlives the block."""
    reading, writing = os.pipe()
    members = Family(reading)
    try:
        yield members
    finally:
        await members.stop()
        os.close(writing)
        os.close(reading)


async def _stop(child: asyncio.subprocess.Process) -> None:
    if child.returncode is None:
        child.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)  # the group outlives its leader if a worker hangs
    await child.wait()
