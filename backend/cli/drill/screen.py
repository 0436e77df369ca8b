"""What one sees while a drill goes on: how far it is, what the phones know, what they suffered."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Mapping

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
async def watching(company: Company, tell: Teller) -> AsyncIterator[None]:
    """Show the day for the length of the block: live on a terminal, else a line now and then."""
    if tell.machine:
        yield
        return
    show = _live if sys.stderr.isatty() else _lines
    task = asyncio.create_task(show(company))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _live(company: Company) -> None:
    began = time.monotonic()
    console = Console(stderr=True)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            live.update(_screen(company, time.monotonic() - began), refresh=True)
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


def _screen(company: Company, seconds: float) -> Group:
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
    return Group(Text(""), head, Text(""), body)


def _acts(company: Company) -> tuple[int, int]:
    """Acts on all phones as they are now, and those that no server has acknowledged."""
    recorded = pending = 0
    for rider in company.riders:
        recorded += rider.phone.recorded
        pending += rider.phone.pending
    return recorded, pending
