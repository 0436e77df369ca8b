"""The API process, assembled: settings in, an ASGI application out. A door: it looks up."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, fields

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig

import driver_api
import web
from backend import __version__
from backend.audit.guard import stand_guard
from backend.blobs import Blobs, Staging, open_blobs, open_staging
from backend.clock import Clock, SystemClock
from backend.identity import callers
from backend.keys import Keys, load_keys
from backend.nudges import Nudges
from backend.settings import Settings, load
from backend.store.database import Database
from backend.wire.compress import Compress
from backend.wire.drain import Drain
from backend.wire.problem import exception_handlers
from backend.wire.request_id import remember, stamp
from backend.wire.schema import SchemaPage
from pod.inspector import Inspector

Life = Callable[[Litestar], AbstractAsyncContextManager[None]]


@dataclass(slots=True)
class Ground:
    """What handlers are given by name."""

    db: Database
    clock: Clock
    settings: Settings
    keys: Keys
    blobs: Blobs
    staging: Staging
    inspector: Inspector
    nudges: Nudges


def create_app(settings: Settings, *, clock: Clock | None = None) -> Litestar:
    """Assemble the application.

    Raises:
        ValueError: the settings name no database.
    """
    stand_guard()
    ground = _ground(settings, clock or SystemClock())
    return Litestar(
        route_handlers=[*driver_api.routers(), *web.routers()],
        dependencies={
            **{field.name: _part(ground, field.name) for field in fields(Ground)},
            "device": Provide(callers.live_device),
            "any_device": Provide(callers.any_device),
            "person": Provide(callers.person),
        },
        signature_types=[Database, Clock, Settings, Keys, Blobs, Staging, Inspector, Nudges],
        exception_handlers={**exception_handlers(), **web.exception_handlers()},
        middleware=[Drain(), Compress()],
        before_request=remember,
        before_send=[stamp],
        lifespan=[_life(ground)],
        state=State({"ground": ground}),
        openapi_config=OpenAPIConfig(
            title="Doorstep", version=__version__, render_plugins=[SchemaPage()]
        ),
        logging_config=None,
    )


def from_env() -> Litestar:
    """Assemble the application from DOORSTEP_* variables (the server's factory)."""
    return create_app(load(os.environ))


def move(app: Litestar, settings: Settings, clock: Clock) -> None:
    """Put an application that is not being served on other ground.

    Assembling one takes a good part of a second, which is much for whoever needs hundreds.
    """
    old, new = app.state["ground"], _ground(settings, clock)
    for field in fields(Ground):
        setattr(old, field.name, getattr(new, field.name))


def _ground(settings: Settings, clock: Clock) -> Ground:
    if settings.database_url is None:
        raise ValueError("no database: `doorstep up` brings one, or set DOORSTEP_DATABASE_URL")
    db = Database(settings.database_url, clock=clock)
    return Ground(
        db,
        clock,
        settings,
        load_keys(settings.data, log_name=settings.log_name),
        open_blobs(settings),
        open_staging(settings),
        Inspector(),
        Nudges(db),
    )


def _part(ground: Ground, name: str) -> Provide:
    return Provide(lambda: getattr(ground, name), sync_to_thread=False)


def _life(ground: Ground) -> Life:
    @asynccontextmanager
    async def life(_app: Litestar) -> AsyncIterator[None]:
        await ground.blobs.prepare()
        try:
            yield
        finally:
            await ground.nudges.stop()
            ground.inspector.close()
            await ground.db.close()

    return life
