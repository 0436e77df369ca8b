"""The people's API, ``/console/v1``, and the console's pages."""

from litestar import Router
from litestar.exceptions import HTTPException


def router() -> Router:
    """Return everything under ``/console/v1``; each topic is a controller of its own."""
    from web.console.audit import AuditController
    from web.console.changes import ChangeController
    from web.console.consignments import ConsignmentController
    from web.console.devices import DevicesController
    from web.console.fleet import (
        DepotController,
        DriverController,
        ShiftController,
        VehicleController,
    )
    from web.console.follow_ups import FollowUpController
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
            ChangeController,
            PrivacyController,
            DevicesController,
            InboxController,
            FollowUpController,
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


def page_router() -> Router:
    """Return the console's pages; a fault on them is a page too."""
    from web.console.pages import DayController
    from web.console.stop_page import StopPageController
    from web.console.way_in import WayInController, page_fault

    return Router(
        "/console",
        route_handlers=[WayInController, DayController, StopPageController],
        exception_handlers={Exception: page_fault, HTTPException: page_fault},
        include_in_schema=False,
    )


def front_door() -> Router:
    """Return ``/``, which leads to the console."""
    from web.console.way_in import FrontDoorController

    return Router("/", route_handlers=[FrontDoorController], include_in_schema=False)
