"""How commands speak: progress to people on stderr, one JSON object to machines on stdout."""

import contextlib
import json
import shutil
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

import click

T = TypeVar("T")


class Teller:
    """Says what is going on. On a terminal the present step counts its seconds and gives way to
    the next; elsewhere each step is a line; for machines there is silence until the result.
    """

    def __init__(self, *, machine: bool = False) -> None:
        self.machine = machine
        self._terminal = sys.stderr.isatty() and not machine
        self._started = time.monotonic()
        self._step: str | None = None
        self._counted = ""
        self._line = threading.RLock()  # a signal may come while a line is written
        self._ticker: threading.Thread | None = None
        if context := click.get_current_context(silent=True):
            context.call_on_close(self._break_off)

    def __call__(self, step: str) -> None:
        """Say what is being done now, with the time that the step before took."""
        self.done()
        with self._line:
            self._step, self._counted, self._started = step, "", time.monotonic()
            if self._terminal:
                _show(_fitting(f"  … {step}"))
            elif not self.machine:
                _show(f"… {step}\n")
        if self._terminal and self._ticker is None:
            self._ticker = threading.Thread(target=self._tick, daemon=True)
            self._ticker.start()

    def done(self) -> None:
        """Close the present step."""
        self._close("✓")

    def _break_off(self) -> None:
        """Leave a step that failed, so that the error has a line of its own."""
        self._close("✗")

    def _close(self, mark: str) -> None:
        with self._line:
            if self._step is not None and self._terminal:
                seconds = time.monotonic() - self._started
                _show(f"\r\033[K  {mark} {self._step} ({seconds:.1f} s)\n")
            self._step = None

    def _tick(self) -> None:
        """Let the seconds be seen: whoever waits knows that it goes on."""
        while True:
            time.sleep(1)
            with self._line:
                self._redraw()

    def _redraw(self) -> None:
        if self._step is not None:
            seconds = time.monotonic() - self._started
            _show("\r\033[K" + _fitting(f"  … {self._step}{self._counted} ({seconds:.0f} s)"))

    def count(self, things: Iterable[T], step: str, total: int | None = None) -> Iterator[T]:
        """Pass things through and show how many have gone by."""
        self(step)
        shown = time.monotonic()
        for number, thing in enumerate(things, 1):
            yield thing
            if self._terminal and time.monotonic() - shown > 0.1:
                shown = time.monotonic()
                of = f" of {total:,}" if total else ""
                with self._line:
                    self._counted = f": {number:,}{of}"
                    self._redraw()
        self.done()

    def result(self, words: str, facts: Mapping[str, object]) -> None:
        """End with the outcome: words for people, facts for machines."""
        self.done()
        click.echo(json.dumps(facts, ensure_ascii=False) if self.machine else words)

    def unfinished(self, facts: Mapping[str, object]) -> None:
        """End without an outcome: machines have their object all the same, people an error."""
        self.done()
        if self.machine:
            click.echo(json.dumps(facts, ensure_ascii=False))


def counted(number: int, thing: str) -> str:
    """Say how many of a thing there are."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def _fitting(line: str) -> str:
    """Cut a line that would wrap: only one that does not can be written over."""
    return line[: shutil.get_terminal_size().columns - 1]


def _show(text: str) -> None:
    """Write progress; work does not stop because its terminal was closed."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True, nl=False)
