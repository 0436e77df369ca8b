"""The handset's contract, ``/driver/v1``: versioned and boring."""

from litestar import Router
from litestar.di import Provide


def routers() -> list[Router]:
    """Return what ``create_app`` mounts for handsets."""
    from driver_api.devices import DeviceController
    from driver_api.events import EventController
    from driver_api.evidence import EvidenceController, uploads
    from driver_api.have import HaveController
    from driver_api.health import HealthController
    from driver_api.positions import PositionController, lane
    from driver_api.sync import answering, sync_call

    handset = Router(
        "/driver/v1",
        route_handlers=[
            DeviceController,
            EvidenceController,
            PositionController,
            EventController,
            HaveController,
            sync_call,
        ],
        dependencies={
            "uploads": Provide(uploads),
            "lane": Provide(lane, use_cache=True),
            "answering": Provide(answering, sync_to_thread=False),
        },
        tags=["driver"],
    )
    health = Router("/", route_handlers=[HealthController])
    return [handset, health]
