"""A phone through its lives: killed, reinstalled, lost and replaced, restored from an old copy.

A life is a folder. What a phone once wrote stays in the folder of that life, so that it can be
asked afterwards what it had recorded and what the server had acknowledged to it.
"""

import random
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from ssl import SSLContext

import httpx

from backend.cli.drill.clock import PhoneClock
from handset import Handset
from handset.disk import Sync
from handset.session import Device
from handset.transport import Patience

_ABOUT = Device(platform="reference", model="drill", app_version="1.0.0")


class AppKilled(BaseException):
    """The app is gone, now; nothing in it gets to tidy up."""


@dataclass(frozen=True, slots=True)
class Life:
    """One life of a phone; of one that is over, only its disk is left."""

    phone: int
    number: int
    folder: Path
    is_over: bool
    # Lost, and found again: what it had not said was said in the end, by a copy of this disk.
    is_found: bool = False


class Phone:
    """One driver's phone, whichever it is at the moment."""

    def __init__(
        self, folder: Path, number: int, url: str, dice: random.Random, synchronous: Sync
    ) -> None:
        self.number = number
        self.clock = PhoneClock(dice)
        self.url = url
        self._folder = folder
        self._dice = dice
        self._synchronous: Sync = synchronous
        self._lives = [Life(number, 1, folder / f"phone-{number:03d}.1", is_over=False)]
        self._copy: Path | None = None
        self._steps: int | None = None
        self.handset = self._switched_on()

    @property
    def lives(self) -> list[Life]:
        """Every life, the present one last."""
        return list(self._lives)

    @property
    def life(self) -> Life:
        """The present life."""
        return self._lives[-1]

    @property
    def recorded(self) -> int:
        """Acts on the present disk, for whoever watches."""
        return self._look("SELECT count(*) FROM journal")

    @property
    def pending(self) -> int:
        """Those of them that wait for an acknowledgement."""
        return self._look("SELECT count(*) FROM journal WHERE state = 'pending'")

    def _look(self, question: str) -> int:
        """Look at the disk from outside, which is no step of the app."""
        with closing(sqlite3.connect(self.life.folder / "handset.db")) as db:
            return int(db.execute(question).fetchone()[0])

    @property
    def is_doomed(self) -> bool:
        """Whether a kill is still to come."""
        return self._steps is not None

    def doom(self, steps: int | None) -> None:
        """Kill the app before so many more steps that outlast it; None: let it live."""
        self._steps = steps

    async def switch_on(self) -> None:
        """Drop whatever the app had in memory and open it from its disk."""
        await self.close()
        self.handset = self._switched_on()

    async def close(self) -> None:
        """Switch the phone off."""
        self.doom(None)
        await self.handset.close()

    async def replace(self) -> None:
        """The phone is lost with everything on it; its driver gets a new one."""
        await self.close()
        self._begin_life(copy=None)

    def find(self, life: Life) -> Handset:
        """A phone that was lost turns up; what it does to itself, it does to a copy of its disk."""
        self._lives[life.number - 1] = replace(life, is_found=True)
        found = life.folder.with_name(f"{life.folder.name}.found")
        shutil.copytree(life.folder, found)
        return self._switched_on(found)

    async def copy(self) -> None:
        """Keep a copy of the phone as it is now, as its maker's cloud would."""
        await self.switch_on()
        self._copy = self._folder / f"copy-{self.number:03d}"
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self.life.folder, self._copy)

    async def restore(self) -> bool:
        """The phone as it was at its last copy, numbers and all; False if there is none."""
        if self._copy is None:
            return False
        await self.close()
        self._begin_life(copy=self._copy)
        return True

    def _begin_life(self, copy: Path | None) -> None:
        self._lives[-1] = replace(self.life, is_over=True)
        number = self.life.number + 1
        folder = self._folder / f"phone-{self.number:03d}.{number}"
        if copy is not None:
            shutil.copytree(copy, folder)
        self._lives.append(Life(self.number, number, folder, is_over=False))
        self.clock.reboot()
        self.handset = self._switched_on()

    def _switched_on(self, folder: Path | None = None) -> Handset:
        return Handset(
            folder or self.life.folder,
            self.url,
            clock=self.clock,
            device=_ABOUT,
            patience=Patience(
                attempts=5,
                timeout_s=30.0,
                first_wait_s=0.05,
                longest_wait_s=0.8,
                dice=self._dice,
            ),
            transport=httpx.AsyncHTTPTransport(verify=_nobody()),
            synchronous=self._synchronous,
            pulse=self._pulse,
        )

    def _pulse(self) -> None:
        """One more step that outlasts the app; once it is killed, none."""
        if self._steps is None:
            return
        self._steps -= 1
        if self._steps < 0:
            raise AppKilled


@cache
def _nobody() -> SSLContext:
    """Trust nobody: the road is on this machine, and a fleet need not read whom to trust."""
    return httpx.create_ssl_context(verify=False)
