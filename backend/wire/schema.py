"""The OpenAPI document, completed with what the framework cannot see.

Handlers read their bodies themselves (bounded, with pointers to faults), so each names its shape as
``opt={"body": Shape}``, or the media type if it takes bytes; every operation may answer with a
problem document.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from litestar import Request
from litestar.enums import MediaType
from litestar.openapi.plugins import OpenAPIRenderPlugin

from backend.wire.problem import MEDIA_TYPE, Problem

_REF = "#/components/schemas/{name}"


class SchemaPage(OpenAPIRenderPlugin):
    """Serves the document at the root of the schema's path as ``application/json``."""

    def __init__(self) -> None:
        super().__init__(path=["/", "/openapi.json"], media_type=MediaType.JSON)
        self._written: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Write the document; it does not change while the process lives."""
        if self._written is None:
            complete(openapi_schema, bodies_of(request))
            self._written = msgspec.json.encode(openapi_schema)
        return self._written


Body = type | str


def bodies_of(request: Request[Any, Any, Any]) -> dict[str, Body]:
    """Return the body's shape or media type of every operation that names one."""
    handlers = [handler for route in request.app.routes for handler in _handlers(route)]
    return {
        handler.operation_id: handler.opt["body"]
        for handler in handlers
        if isinstance(getattr(handler, "operation_id", None), str) and "body" in handler.opt
    }


def _handlers(route: object) -> list[Any]:
    return list(getattr(route, "route_handlers", []))


def complete(document: dict[str, Any], bodies: dict[str, Body]) -> None:
    """Add request bodies, problem answers and their shapes."""
    shapes = [shape for shape in bodies.values() if not isinstance(shape, str)]
    schemas, components = msgspec.json.schema_components(
        [Problem, *shapes], schema_hook=_anything, ref_template=_REF
    )
    kept = document.setdefault("components", {}).setdefault("schemas", {})
    for name, shape in components.items():
        kept.setdefault(name, shape)
    problem = {"description": "Problem", "content": {MEDIA_TYPE: {"schema": schemas[0]}}}
    shown = dict(zip(shapes, schemas[1:], strict=True))
    for operation in _operations(document):
        operation["responses"].setdefault("default", problem)
        body = bodies.get(operation.get("operationId", ""))
        if body is not None:
            operation["requestBody"] = {"required": True, "content": _content(body, shown)}


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in document.get("paths", {}).values():
        for operation in item.values():
            if isinstance(operation, dict) and "responses" in operation:
                yield operation


def _content(body: Body, shown: dict[type, dict[str, Any]]) -> dict[str, Any]:
    if isinstance(body, str):
        return {body: {"schema": {"type": "string", "format": "binary"}}}
    return {"application/json": {"schema": shown[body]}}


def _anything(_type: type) -> dict[str, Any]:
    """A member of any shape: what its reader makes of it is told in words."""
    return {"description": "any JSON value"}
