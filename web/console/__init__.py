"""The people's API, ``/console/v1``, and the console's pages."""

from litestar import Router


def router() -> Router:
    """Return everything under ``/console/v1``; each topic is a controller of its own."""
    from web.console.audit import AuditController
    from web.console.consignments import ConsignmentController
    from web.console.devices import DevicesController
    from web.console.fleet import (
        DepotController,
        DriverController,
        ShiftController,
        VehicleController,
    )
    from web.console.imports import ImportController
    from web.console.inbox import InboxController
    from web.console.overrides import OverrideController
    from web.console.plans import PlanController
    from web.console.privacy import PrivacyController
    from web.console.routes import RouteController
    from web.console.segments import SegmentController
    from web.console.sign_in import SignInController
    from web.console.timeline import TimelineController
    from web.console.watch import WatchController

    return Router(
        "/console/v1",
        route_handlers=[
            AuditController,
            PrivacyController,
            DevicesController,
            InboxController,
            OverrideController,
            PlanController,
            RouteController,
            SegmentController,
            SignInController,
            ImportController,
            ConsignmentController,
            DepotController,
            VehicleController,
            DriverController,
            ShiftController,
            TimelineController,
            WatchController,
        ],
        tags=["console"],
    )
