"""What long commands do when their database is gone for good: they end, and say why.

Whoever runs them as a service sees the exit code and starts them anew.
"""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future


class Loss:
    """Takes the bad news from the thread that looks after the database; at most once."""

    def __init__(self) -> None:
        self._reason: Future[str] = Future()

    def __call__(self, reason: str) -> None:
        """Take the news."""
        self._reason.set_result(reason)

    def check(self) -> None:
        """Raise what `unless_lost` would.

        Raises:
            EmbeddedFailed: the news has come.
        """
        from backend.embedded import EmbeddedFailed

        if self._reason.done():
            raise EmbeddedFailed(self._reason.result())

    async def unless_lost(self, work: Coroutine[object, object, None]) -> None:
        """Do the work; bad news cancels it, and counts as failure when it has put itself away.

        Raises:
            EmbeddedFailed: the news has come.
        """
        task = asyncio.ensure_future(work)
        news = asyncio.wrap_future(self._reason)
        either: set[asyncio.Future[None] | asyncio.Future[str]] = {task, news}
        try:
            # Nobody cancels the news itself: it may come later, and wants to be taken.
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self.check()
