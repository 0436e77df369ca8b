"""Where the named points hang on the application, without a word about them in its code.

The seams: what passes between server and application, the database session's and engine's own
events, the few functions that take locks, and the system calls of the modules that keep files.
"""

import os
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import cast

import anyio
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from litestar.types.asgi_types import HTTPResponseBodyEvent
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from backend.blobs import Staging, folder, staging
from backend.store import devices, feed, ledger
from tests.faults.points import DOORS, Fate, door

_FLUSHED_S = 0.003


def hang(fate: Fate) -> None:
    """Hang every point on its seam, once per process; a seam that is gone fails here."""
    _session(fate)
    _around(fate, devices, "lock_journal", "before_journal_lock", "after_journal_lock")
    _around(fate, ledger, "write", "before_entries", "after_entries")
    _around(fate, feed, "publish", "before_scopes", "after_scopes")
    _around(fate, Staging, "discard", "before_discard", "after_discard")
    vars(staging)["os"] = StagingCalls(fate)
    vars(folder)["os"] = FolderCalls(fate)


def _session(fate: Fate) -> None:
    def on(target: object, name: str, point: str) -> None:
        event.listen(target, name, lambda *_, **__: fate.passes(point))

    on(Engine, "before_cursor_execute", "before_statement")
    on(Engine, "after_cursor_execute", "after_statement")
    on(Engine, "commit", "before_commit")
    event.listen(Engine, "commit", lambda *_, **__: fate.ends_soon("mid_commit"))
    on(Session, "after_commit", "after_commit")


def _around(fate: Fate, owner: ModuleType | type, name: str, before: str, after: str) -> None:
    work: Callable[..., Awaitable[object]] = getattr(owner, name)

    async def watched(*given: object, **named: object) -> object:
        fate.passes(before)
        done = await work(*given, **named)
        fate.passes(after)
        return done

    setattr(owner, name, watched)


class _Calls:
    """The operating system as a module sees it, some of its calls watched."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate

    def __getattr__(self, name: str) -> object:
        return cast("object", getattr(os, name))


class StagingCalls(_Calls):
    """What the staging folder asks of the system."""

    def write(self, fd: int, piece: memoryview) -> int:
        """Write, or end with half of it written."""
        if self._fate.comes("mid_chunk"):
            os.write(fd, piece[: len(piece) // 2])
            self._fate.end()
        done = os.write(fd, piece)
        self._fate.passes("after_chunk")
        return done

    def fsync(self, fd: int) -> None:
        """Make durable, unless it ends before."""
        self._fate.passes("before_sync")
        os.fsync(fd)


class FolderCalls(_Calls):
    """What the folder of evidence asks of the system."""

    def link(self, source: str, target: str) -> None:
        """Give a whole file its name, or end just before or after."""
        self._fate.passes("before_rename")
        os.link(source, target)
        self._fate.passes("after_rename")


class Watched:
    """The application, with the points where requests come in and answers go out."""

    def __init__(self, app: ASGIApp, fate: Fate) -> None:
        self._app = app
        self._fate = fate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        door.set(_door(scope["path"]))
        self._fate.passes("request")

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._fate.passes("before_reply")
            elif message["type"] == "http.response.body":
                await self._body(message, send)
                return
            await send(message)

        await self._app(scope, receive, watched)

    async def _body(self, message: HTTPResponseBodyEvent, send: Send) -> None:
        body = message["body"]
        if len(body) > 1 and self._fate.comes("mid_reply"):
            half = body[: len(body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
            await anyio.sleep(_FLUSHED_S)  # the half is to be on the wire, or it was none
            self._fate.end()
        await send(message)
        if not message.get("more_body"):
            self._fate.passes("after_reply")


def _door(path: str) -> str:
    return next((name for start, name in DOORS.items() if path.startswith(start)), "")
