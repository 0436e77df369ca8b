"""What people see: the console and its API, the customer's page."""

from litestar import Router


def routers() -> list[Router]:
    """Return what ``create_app`` mounts for people."""
    from web import console, customer

    return [
        console.router(),
        console.page_router(),
        console.front_door(),
        customer.router(),
    ]
