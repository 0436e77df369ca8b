"""The published schema: 3.1, whole, and every operation that takes JSON says what."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.app import create_app
from backend.clock import SystemClock
from tests.fixtures.phones import calling, settings_for

# Calls whose path says it all, and those whose body is a form of a page.
BODILESS = {
    "confirmOverride",
    "finishFollowUp",
    "issueCode",
    "issueEnrolmentCode",
    "liftHold",
    "pinStop",
    "releasePlan",
    "revokeDevice",
    "signOut",
    "askForAnotherDay",
    "chooseSafePlace",
    "disputeDelivery",
}
# Read as plain JSON and parsed by the policy's own rules, with a pointer for every fault.
OWN_RULES = {"changeSegment"}


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every operation with its verb."""
    for item in document["paths"].values():
        yield from item.items()


@pytest.mark.anyio
async def test_the_schema_is_whole(tmp_path: Path) -> None:
    """No dangling reference, unique operation ids, a problem for whatever goes wrong."""
    settings = settings_for("postgresql+asyncpg://nobody@127.0.0.1:9/none", tmp_path)
    async with calling(settings, SystemClock()) as client:
        answer = await client.get("/schema")
    document = answer.json()
    assert answer.headers["content-type"].startswith("application/json")
    assert document["openapi"].startswith("3.1")
    names = document["components"]["schemas"].keys()
    for part in answer.text.split('"#/components/schemas/')[1:]:
        assert part.partition('"')[0] in names
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    for _, operation in operations(document):
        assert "application/problem+json" in operation["responses"]["default"]["content"]


def test_bodies_are_described(tmp_path: Path) -> None:
    """Who reads our schema learns what to send."""
    settings = settings_for("postgresql+asyncpg://nobody@127.0.0.1:9/none", tmp_path)
    app = create_app(settings)
    bare = {
        str(handler.operation_id)
        for route in app.routes
        for handler in getattr(route, "route_handlers", [])
        if handler.resolve_include_in_schema()
        and "body" not in handler.opt
        and handler.http_methods & {"POST", "PUT", "PATCH"}
    }
    assert bare <= BODILESS | OWN_RULES
