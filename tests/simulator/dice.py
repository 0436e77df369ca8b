"""Chance, from a seed alone: what happens, and the ids it happens to."""

import random
from collections.abc import Mapping, Sequence
from typing import TypeVar
from uuid import UUID

T = TypeVar("T")


class Ids:
    """Ids of one history: its own four bytes, then what the seed says.

    Many histories share one database, so the same seed may run in it twice; the ids of a history
    sort alike in every run, and so do the locks taken in their order.
    """

    def __init__(self, run: int, seed: int | str) -> None:
        self._head = (run & 0xFFFFFFFF) << 96
        self._random = random.Random(f"ids {seed}")
        self._servers = random.Random(f"server's ids {seed}")
        self._made = 0

    def new(self) -> UUID:
        """Make the next id of a thing in the world."""
        return UUID(int=self._head | self._random.getrandbits(96), version=4)

    def servers(self) -> UUID:
        """Make the next id that the server asks for; they grow, as its own do."""
        self._made += 1
        tail = (self._made << 80) | self._servers.getrandbits(64)
        return UUID(int=self._head | tail, version=4)


class Dice:
    """Every decision of a history."""

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(f"dice {seed}")

    def chance(self, of_ten: float) -> bool:
        """Say yes so many times in ten."""
        return self._random.random() * 10 < of_ten

    def number(self, low: int, high: int) -> int:
        """Draw a number, both ends included."""
        return self._random.randint(low, high)

    def pick(self, items: Sequence[T]) -> T:
        """Draw one."""
        return items[self._random.randrange(len(items))]

    def some(self, items: Sequence[T]) -> list[T]:
        """Draw any of them, in any order; at least one if there is one."""
        count = self._random.randint(1, len(items)) if items else 0
        return self._random.sample(list(items), count)

    def weighted(self, weights: Mapping[T, int]) -> T:
        """Draw a key, as often as its weight says."""
        return self._random.choices(list(weights), list(weights.values()))[0]
