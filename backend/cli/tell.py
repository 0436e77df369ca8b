"""How commands speak: progress to people on stderr, one JSON object to machines on stdout."""

import contextlib
import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

import click

T = TypeVar("T")


class Teller:
    """Says what is going on. On a terminal the present step shows its seconds and gives way to
    the next; elsewhere each step is a line; for machines there is silence until the result.
    """

    def __init__(self, *, machine: bool = False) -> None:
        self.machine = machine
        self._terminal = sys.stderr.isatty() and not machine
        self._started = time.monotonic()
        self._step: str | None = None

    def __call__(self, step: str) -> None:
        """Say what is being done now, with the time that the step before took."""
        self.done()
        self._step, self._started = step, time.monotonic()
        if self._terminal:
            _show(f"  … {step}")
        elif not self.machine:
            _show(f"… {step}\n")

    def done(self) -> None:
        """Close the present step."""
        if self._step is not None and self._terminal:
            seconds = time.monotonic() - self._started
            _show(f"\r\033[K  ✓ {self._step} ({seconds:.1f} s)\n")
        self._step = None

    def count(self, things: Iterable[T], step: str, total: int | None = None) -> Iterator[T]:
        """Pass things through and show how many have gone by."""
        self(step)
        shown = time.monotonic()
        for number, thing in enumerate(things, 1):
            yield thing
            if self._terminal and time.monotonic() - shown > 0.1:
                shown = time.monotonic()
                of = f" of {total:,}" if total else ""
                _show(f"\r\033[K  … {step}: {number:,}{of}")
        self.done()

    def result(self, words: str, facts: Mapping[str, object]) -> None:
        """End with the outcome: words for people, facts for machines."""
        self.done()
        click.echo(json.dumps(facts, ensure_ascii=False) if self.machine else words)


def _show(text: str) -> None:
    """Write progress; work does not stop because its terminal was closed."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True, nl=False)
