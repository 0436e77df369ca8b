"""What one sees while a drill goes on: how far it is, what the phones know, what they suffered."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from backend.cli.drill.muster import Company
from backend.cli.drill.report import listed
from backend.cli.tell import Teller

_LOOK_EVERY_S = 0.25
_SAY_EVERY_S = 10.0


@contextlib.asynccontextmanager
async def watching(company: Company, tell: Teller) -> AsyncIterator[Callable[[str], None]]:
    """Show the day for the length of the block, which says by what it is given what goes on.

    On a terminal it is a picture that moves, elsewhere a line now and then, for machines nothing.
    """
    async with contextlib.AsyncExitStack() as stack:
        if tell.machine:
            yield tell
            return
        if sys.stderr.isatty():
            tell.done()
            picture = stack.enter_context(_Picture(company))
            show, say = picture.move(), picture.say
        else:
            show, say = _lines(company), tell
        task = asyncio.create_task(show)
        stack.push_async_callback(_end, task)
        yield say


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


class _Picture:
    """The day as it moves; steps that are done stay above it."""

    def __init__(self, company: Company) -> None:
        self._company = company
        self._began = self._step_began = time.monotonic()
        self._step = ""
        self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.say("")
        self._live.stop()

    def say(self, step: str) -> None:
        """Go on to the next step."""
        now = time.monotonic()
        if self._step:
            self._live.console.print(f"  ✓ {self._step} ({now - self._step_began:.1f} s)")
        self._step, self._step_began = step, now

    async def move(self) -> None:
        """Draw it anew, four times a second."""
        while True:
            picture = _screen(self._company, self._step, time.monotonic() - self._began)
            self._live.update(picture, refresh=True)
            await asyncio.sleep(_LOOK_EVERY_S)


async def _lines(company: Company) -> None:
    """For logs."""
    while True:
        await asyncio.sleep(_SAY_EVERY_S)
        recorded, pending = _acts(company)
        done = min(company.notebook.turns, company.size.doors)
        sys.stderr.write(
            f"    {done:,} of {company.size.doors:,} doors; {recorded:,} acts recorded,"
            f" {pending:,} not yet acknowledged; {company.traffic.faults.total():,} faults\n"
        )


def _screen(company: Company, step: str, seconds: float) -> Group:
    notebook, traffic, doors = company.notebook, company.traffic, company.size.doors
    recorded, pending = _acts(company)
    done = min(notebook.turns, doors)
    head = Table.grid(padding=(0, 2))
    head.add_row(
        Text(f"  {int(seconds) // 60}:{int(seconds) % 60:02d}", style="bold"),
        ProgressBar(total=doors, completed=done, width=40),
        f"{done:,} of {doors:,} doors",
        f"{len(notebook.out_now)} phones out of reach",
    )
    body = Table.grid(padding=(0, 2))
    body.add_column(style="dim", min_width=14)
    body.add_column(overflow="fold")
    rows: Mapping[str, str] = {
        "recorded": f"{recorded:,}",
        "acknowledged": f"{recorded - pending:,}",
        "pending": f"{pending:,}",
        "receipts": listed(notebook.receipts),
        "faults": listed(traffic.faults),
        "phones": listed(notebook.mishaps),
        "office": listed(notebook.office),
        "server": (
            f"requests {traffic.requests:,}, slowest {traffic.slowest_s:.1f} s,"
            f" failures {traffic.failures.total()}, kills {notebook.restarts}"
        ),
    }
    for title, text in rows.items():
        body.add_row(f"  {title}", text)
    return Group(Text(f"  … {step}"), Text(""), head, Text(""), body)


def _acts(company: Company) -> tuple[int, int]:
    """Acts on all phones as they are now, and those that no server has acknowledged."""
    recorded = pending = 0
    for rider in company.riders:
        recorded += rider.phone.recorded
        pending += rider.phone.pending
    return recorded, pending
