"""Put the server together."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from granian.utils.proxies import wrap_asgi_with_proxy_headers
from litestar import Litestar
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from casedial.clock import MACHINE, Clock
from casedial.console.app import Console
from casedial.console.routing import BASE
from casedial.database.engine import Store
from casedial.database.standby import standing_by
from casedial.service.operations import today
from casedial.settings import SUPERVISOR, Settings, settings_from
from casedial.web import descriptors, outlet, stopping
from casedial.web.api import METHODS, Api
from casedial.web.bodies import MAX_BODY_BYTES
from casedial.web.calling import calling_routes
from casedial.web.counts import COUNTS
from casedial.web.edge import CONSOLE, Edge
from casedial.web.means import Means
from casedial.web.observe import configure_logging, note_refusal
from casedial.web.probes import pages
from casedial.web.problems import on_exception
from casedial.web.upkeep import Upkeep
from casedial.web.v1.door import Door
from casedial.web.v1.routes import TABLE
from casedial.wire.posting import Poster

PATIENCE_SECONDS = 30.0  # how long a request waits for a database server that does not answer


def create_app(settings: Settings | None = None, clock: Clock = MACHINE) -> Edge:
    """Build the ASGI application; the database is opened with the first request and closed at shutdown."""
    settings = settings or settings_from()
    configure_logging(settings.log_level)
    store = Store(settings.database_url, settings.pool_size, PATIENCE_SECONDS, clock)
    return assemble(settings, standing_by(store, settings.standby_url))[0]


def assemble(settings: Settings, store: Store) -> tuple[Edge, Upkeep]:
    """Build the ASGI application of a store, and what that does without being asked."""
    means, post = Means.of(store), Poster(settings.webhooks_inside)
    stopping.when_told(means.feed.let_go)
    api, door, upkeep = Api(means), Door(means), Upkeep(store, post, means.feed)
    routes = [*calling_routes(store, means.authenticator), *pages(store, settings.base)]

    async def close() -> None:
        await today.stop(store)
        await api.close()
        await door.close()
        await means.close()

    app = Litestar(
        route_handlers=routes,
        on_startup=[_follow_supervisor, _watch(settings), upkeep.start, _keep_what_is_loaded],
        on_shutdown=[upkeep.stop, close, COUNTS.hand_over, outlet.finish],
        exception_handlers={Exception: on_exception},
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=None,
        logging_config=None,
    )
    verbs = {name: method.verbs for name, method in METHODS.items()}
    console = Console(store, post) if settings.has_console else None

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        record: Any = scope.get("casedial")  # which the server's start and stop have not
        if record and record.method in METHODS:
            await api(cast(HTTPScope, scope), receive, send)
        elif record and record.found:
            await door(record.found, cast(HTTPScope, scope), receive, send)
        elif record and record.method == CONSOLE and console:
            await console(cast(HTTPScope, scope), receive, send, partial(note_refusal, record))
        else:
            await app(scope, receive, send)

    paths = [path for route in routes for path in route.paths]
    rooms = (BASE,) if console else ()
    return Edge(_behind_proxies(answer, settings), settings.base, verbs, paths, rooms, TABLE, close), upkeep


def _behind_proxies(app: ASGIApp, settings: Settings) -> ASGIApp:
    """Have the client's address read from X-Forwarded-For where a trusted proxy sent it."""
    if not settings.proxies:
        return app
    trusted = [str(network) for network in settings.proxies]
    mapped = [f"::ffff:{n.network_address}/{96 + n.prefixlen}" for n in settings.proxies if n.version == 4]
    wrapped: ASGIApp = wrap_asgi_with_proxy_headers(app, [*trusted, *mapped])
    return wrapped


def _watch(settings: Settings) -> Callable[[Litestar], None]:
    """Return what has this worker show what it counts, and look at its descriptors, for as long as it runs."""

    def begin(app: Litestar) -> None:
        COUNTS.begin()
        loop = asyncio.get_running_loop()
        watched = descriptors.keep_looking(descriptors.connections(settings))
        app.state.watches = [loop.create_task(COUNTS.keep_handing_over()), loop.create_task(watched)]

    return begin


def _keep_what_is_loaded(app: Litestar) -> None:
    """Have Python look for garbage in what requests make only, and less often.

    Looking through the whole of the program stops every request for 50 ms: without, p99 of 64 clients who claim one
    case is a third, and each call takes a tenth less.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 20)


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
