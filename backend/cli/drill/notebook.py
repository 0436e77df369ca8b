"""What the drill itself counts in the course of the day."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from backend.cli.drill.fate import Mishap


@dataclass(slots=True)
class Notebook:
    """Kept by everybody who takes part."""

    doors: int
    mishaps: Counter[Mishap] = field(default_factory=Counter)
    office: Counter[str] = field(default_factory=Counter)
    # What the control room wanted when it was no longer possible.
    too_late: int = 0
    restarts: int = 0
    positions: int = 0
    receipts: Counter[str] = field(default_factory=Counter)
    # Doors behind everybody together; and what the meddlers wait for, which ends with the day.
    visits: int = 0
    turns: int = 0
    turns_out_of_reach: int = 0
    out_now: set[int] = field(default_factory=set)
    # What the contract does not foresee, in words.
    odd: list[str] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def turn_done(self) -> None:
        """One more door is behind somebody."""
        self.visits += 1
        self.turns += 1
        await self._tell()

    async def day_done(self) -> None:
        """Whatever was to come later comes now."""
        self.turns = max(self.turns, self.doors)
        await self._tell()

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def reached(self, turns: int) -> None:
        """Wait until so many doors are behind everybody together."""
        async with self._news:
            await self._news.wait_for(lambda: self.turns >= turns)
