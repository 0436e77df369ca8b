"""The OpenAPI document, completed with what the framework cannot see.

Handlers read their bodies themselves (bounded, with pointers to faults), so each names its shape as
``opt={"body": Shape}``; every operation may answer with a problem document.
"""

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


def bodies_of(request: Request[Any, Any, Any]) -> dict[str, type]:
    """Return the body's shape of every operation that names one."""
    handlers = [handler for route in request.app.routes for handler in _handlers(route)]
    return {
        handler.operation_id: handler.opt["body"]
        for handler in handlers
        if isinstance(getattr(handler, "operation_id", None), str) and "body" in handler.opt
    }


def _handlers(route: object) -> list[Any]:
    return list(getattr(route, "route_handlers", []))


def complete(document: dict[str, Any], bodies: dict[str, type]) -> None:
    """Add request bodies, problem answers and their shapes."""
    shapes = [*bodies.values(), Problem]
    schemas, components = msgspec.json.schema_components(shapes, ref_template=_REF)
    kept = document.setdefault("components", {}).setdefault("schemas", {})
    for name, shape in components.items():
        kept.setdefault(name, shape)
    by_operation = dict(zip(bodies, schemas, strict=False))
    problem = {"description": "Problem", "content": {MEDIA_TYPE: {"schema": schemas[-1]}}}
    for item in document.get("paths", {}).values():
        for operation in item.values():
            if not isinstance(operation, dict) or "responses" not in operation:
                continue
            operation["responses"].setdefault("default", problem)
            shape = by_operation.get(operation.get("operationId", ""))
            if shape is not None:
                body = {"required": True, "content": {"application/json": {"schema": shape}}}
                operation["requestBody"] = body
