"""The handset's contract, ``/driver/v1``: versioned and boring."""

from litestar import Router
from litestar.di import Provide


def routers() -> list[Router]:
    """Return what ``create_app`` mounts for handsets."""
    from driver_api.devices import DeviceController
    from driver_api.events import EventController, nudges
    from driver_api.evidence import EvidenceController, uploads
    from driver_api.have import HaveController
    from driver_api.health import HealthController
    from driver_api.positions import PositionController

    handset = Router(
        "/driver/v1",
        route_handlers=[
            DeviceController,
            EvidenceController,
            PositionController,
            EventController,
            HaveController,
        ],
        dependencies={
            "uploads": Provide(uploads),
            "nudges": Provide(nudges, use_cache=True),
        },
        tags=["driver"],
    )
    health = Router("/", route_handlers=[HealthController])
    return [handset, health]
