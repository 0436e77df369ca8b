"""The customer's page: no account, no script, one capability in the link."""

from litestar import Router


def router() -> Router:
    """Return everything under ``/t``."""
    from web.customer.page import TrackingController

    return Router("/t", route_handlers=[TrackingController], tags=["customer"])
