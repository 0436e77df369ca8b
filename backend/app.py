"""The API process, assembled: settings in, an ASGI application out. A door: it looks up."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from litestar import Litestar
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
from backend.settings import Settings, load
from backend.store.database import Database
from backend.wire.compress import Compress
from backend.wire.problem import exception_handlers
from backend.wire.request_id import remember, stamp
from backend.wire.schema import SchemaPage
from pod.inspector import Inspector

Life = Callable[[Litestar], AbstractAsyncContextManager[None]]


def create_app(settings: Settings, *, clock: Clock | None = None) -> Litestar:
    """Assemble the application.

    Raises:
        ValueError: the settings name no database.
    """
    if settings.database_url is None:
        raise ValueError("no database: `doorstep up` brings one, or set DOORSTEP_DATABASE_URL")
    stand_guard()
    watch = clock or SystemClock()
    database = Database(settings.database_url, clock=watch)
    blobs, inspector = open_blobs(settings), Inspector()
    shared: dict[str, object] = {
        "db": database,
        "clock": watch,
        "settings": settings,
        "keys": load_keys(settings.data, log_name=settings.log_name),
        "blobs": blobs,
        "staging": open_staging(settings),
        "inspector": inspector,
    }
    return Litestar(
        route_handlers=[*driver_api.routers(), *web.routers()],
        dependencies={
            **{name: _always(value) for name, value in shared.items()},
            "device": Provide(callers.live_device),
            "any_device": Provide(callers.any_device),
            "person": Provide(callers.person),
        },
        signature_types=[Database, Clock, Settings, Keys, Blobs, Staging, Inspector],
        exception_handlers=exception_handlers(),
        middleware=[Compress()],
        before_request=remember,
        before_send=[stamp],
        lifespan=[_life(database, blobs, inspector)],
        openapi_config=OpenAPIConfig(
            title="Doorstep", version=__version__, render_plugins=[SchemaPage()]
        ),
        logging_config=None,
    )


def from_env() -> Litestar:
    """Assemble the application from DOORSTEP_* variables (the server's factory)."""
    return create_app(load(os.environ))


def _always(value: object) -> Provide:
    return Provide(lambda: value, sync_to_thread=False, use_cache=True)


def _life(database: Database, blobs: Blobs, inspector: Inspector) -> Life:
    @asynccontextmanager
    async def life(_app: Litestar) -> AsyncIterator[None]:
        await blobs.prepare()
        try:
            yield
        finally:
            inspector.close()
            await database.close()

    return life
