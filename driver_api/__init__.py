"""The handset's contract, ``/driver/v1``: versioned and boring."""

from litestar import Router


def routers() -> list[Router]:
    """Return what ``create_app`` mounts for handsets."""
    from driver_api.devices import DeviceController

    return [Router("/driver/v1", route_handlers=[DeviceController], tags=["driver"])]
