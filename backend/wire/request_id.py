"""One id for each request, so that a person's complaint and a log line find each other."""

from typing import Any

from litestar import Request
from litestar.datastructures import State
from litestar.types import Message, Scope

from backend.ids import current_request, new_id, parse_id

# The framework leaves user and auth to the application; the plumbing looks at neither.
AnyRequest = Request[Any, Any, State]

_KEY = "request_id"


async def remember(request: AnyRequest) -> None:
    """Let everything below the handler know which request it serves (a ``before_request`` hook)."""
    current_request.set(request_id(request.scope))


def request_id(scope: Scope) -> str:
    """Return the id of this request; the caller's own ``X-Request-Id`` if it is a UUID."""
    state = scope["state"]
    if _KEY not in state:
        state[_KEY] = _claimed(scope) or str(new_id())
    return str(state[_KEY])


def _claimed(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            parsed = parse_id(value.decode("latin-1"))
            return None if parsed is None else str(parsed)
    return None


async def stamp(message: Message, scope: Scope) -> None:
    """Write ``X-Request-Id`` on every answer (a ``before_send`` hook: it sees 404 and 405 too)."""
    if message["type"] == "http.response.start":
        header = (b"x-request-id", request_id(scope).encode())
        message["headers"] = [*message["headers"], header]
