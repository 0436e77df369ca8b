"""What people see: the console and its API, the customer's page."""

from litestar import Router
from litestar.exceptions import MethodNotAllowedException, NotFoundException
from litestar.types import ExceptionHandlersMap


def routers() -> list[Router]:
    """Return what ``create_app`` mounts for people."""
    from web import console, customer

    return [
        console.router(),
        console.page_router(),
        console.front_door(),
        customer.router(),
    ]


def exception_handlers() -> ExceptionHandlersMap:
    """Return who answers what no route takes: routers are asked only where a route was found."""
    from web.console.way_in import nothing_there

    return {NotFoundException: nothing_there, MethodNotAllowedException: nothing_there}
