"""The handset's contract, ``/driver/v1``: versioned and boring."""

from litestar import Router
from litestar.di import Provide


def routers() -> list[Router]:
    """Return what ``create_app`` mounts for handsets."""
    from driver_api.devices import DeviceController
    from driver_api.evidence import EvidenceController, uploads

    handset = Router(
        "/driver/v1",
        route_handlers=[DeviceController, EvidenceController],
        dependencies={"uploads": Provide(uploads)},
        tags=["driver"],
    )
    return [handset]
