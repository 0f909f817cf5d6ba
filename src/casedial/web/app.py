"""Put the server together."""

from __future__ import annotations

from litestar import Litestar

from casedial.settings import Settings, settings_from
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

    app = Litestar(
        route_handlers=[*Api(store).routes(settings.base), *pages(store, settings.base)],
        on_shutdown=[store.close],
        exception_handlers={Exception: on_exception},
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=None,
        logging_config=None,
    )
    return Edge(app, settings.base, {name: verbs for name, (verbs, _) in METHODS.items()}, store.close)
