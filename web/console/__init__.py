"""The people's API, ``/console/v1``, and the console's pages."""

from litestar import Router


def router() -> Router:
    """Return everything under ``/console/v1``; each topic is a controller of its own."""
    from web.console.sign_in import SignInController

    return Router(
        "/console/v1",
        route_handlers=[
            SignInController,
        ],
        tags=["console"],
    )
