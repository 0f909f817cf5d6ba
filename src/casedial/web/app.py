"""Put the server together."""

from __future__ import annotations

import asyncio
import os
import signal

from litestar import Litestar

from casedial.settings import SUPERVISOR, Settings, settings_from
from casedial.storage.engine import Store
from casedial.web.api import METHODS, Api
from casedial.web.edge import Edge
from casedial.web.observe import configure_logging
from casedial.web.pages import pages
from casedial.web.problems import on_exception

MAX_BODY_BYTES = 1024 * 1024


def create_app(settings: Settings | None = None) -> Edge:
    """Build the ASGI application; the database is opened with the first request and closed at shutdown."""
    settings = settings or settings_from()
    configure_logging(settings.log_level)
    store = Store(settings.database_url, settings.pool_size)

    api = Api(store)
    app = Litestar(
        route_handlers=[*api.routes(settings.base), *pages(store, settings.base)],
        on_startup=[_follow_supervisor],
        on_shutdown=[api.close],
        exception_handlers={Exception: on_exception},
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=None,
        logging_config=None,
    )
    return Edge(app, settings.base, {name: verbs for name, (verbs, _) in METHODS.items()}, api.close)


def _follow_supervisor(app: Litestar) -> None:
    """Stop this worker when the process that started it is gone, however it went: nobody would watch it."""
    supervisor = os.environ.get(SUPERVISOR)
    if supervisor is None:
        return

    async def watch() -> None:
        while str(os.getppid()) == supervisor:  # noqa: ASYNC110
            await asyncio.sleep(1)  # nothing tells when a parent dies
        os.kill(os.getpid(), signal.SIGTERM)

    app.state.watch = asyncio.get_running_loop().create_task(watch())
