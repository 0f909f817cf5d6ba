"""What is not the API: health, metrics, and the interactive reference, which works with no network."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import File, Redirect
from swagger_ui_bundle import swagger_ui_path

from casedial.database import schema
from casedial.database.engine import Store
from casedial.domain.errors import (
    CasedialError,
    OperatorError,
    SchemaBehind,
    StorageUnavailable,
    every_error,
)
from casedial.service.operations import census
from casedial.web.observe import Counts, metrics, note_upkeep_fault
from casedial.web.openapi import document
from casedial.web.problems import nothing_here, status_of
from casedial.wire.replies import encode

READY_SECONDS = 5.0
COUNT_SECONDS = 2.0  # that metrics wait for the database: a scrape takes ten at most
_LISTS_SECONDS, _LISTS_SHARE = 15.0, 50  # between two counts of the dial lists: that, or 50 times what one takes

# Swagger UI styles its elements in place; everything else comes from this server's own files.
_POLICY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

_REFERENCE_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>casedial: Predictive Dialer API</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
<link rel="icon" href="/docs/assets/favicon-32x32.png">
</head>
<body>
<div id="reference"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

_START = """SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#reference", validatorUrl: null, deepLinking: true,
  tryItOutEnabled: true, persistAuthorization: false, defaultModelsExpandDepth: 0
});
"""


def pages(store: Store, base: str) -> list[HTTPRouteHandler]:
    """Return the routes beside the API."""
    return [*_reference(base), *_health(store)]


def _reference(base: str) -> list[HTTPRouteHandler]:
    openapi = encode(document(base))
    errors = _errors_page()

    @get("/")
    async def root() -> Redirect:
        return Redirect("/docs")

    @get("/docs", media_type=MediaType.HTML)
    async def reference() -> Response[str]:
        return Response(_REFERENCE_PAGE, headers=_POLICY)

    @get("/docs/start.js")
    async def start() -> Response[str]:
        return Response(_START, media_type="text/javascript")

    @get("/docs/errors", media_type=MediaType.HTML)
    async def error_reference() -> Response[str]:
        return Response(errors, headers=_POLICY)

    @get("/openapi.json")
    async def schema_document() -> Response[bytes]:
        return Response(openapi, media_type="application/json")

    files = {file.name: file for file in Path(swagger_ui_path).iterdir()}

    @get("/docs/assets/{name:str}")
    async def asset(name: FromPath[str]) -> File:
        if name not in files:  # so that no path of a client's making reaches the file system
            raise nothing_here()
        return File(files[name], filename=name, content_disposition_type="inline")

    return [root, reference, start, error_reference, schema_document, asset]


def _health(store: Store) -> list[HTTPRouteHandler]:
    @get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @get("/readyz")
    async def readyz() -> dict[str, str]:
        asking = asyncio.create_task(schema.ready(store))
        if not await _is_done(asking, READY_SECONDS):
            asking.cancel()  # and is not waited for: over a connection that is lost that takes as long again
            raise StorageUnavailable(f"The database did not save a test write within {READY_SECONDS:.0f} s.")
        found = asking.result()
        ready = {"status": "ready", "database": store.dialect.name, "revision": str(found.current)}
        if found.is_newer:  # not a reason to refuse: every server of before would fall out in the middle of an upgrade
            return {
                **ready,
                "detail": "A newer casedial migrated the database. This server keeps working; replace it soon.",
            }
        if not found.at_head:
            raise SchemaBehind(f"The database is at revision {found.current}, not {found.head}: run casedial migrate.")
        return ready

    counting = _Census(store)

    @get("/metrics")
    async def show_metrics() -> Response[bytes]:
        body, media_type = metrics(await counting.counts())
        return Response(body, media_type=media_type)

    return [healthz, readyz, show_metrics]


_asked: set[asyncio.Task[Any]] = set()  # or those that nobody waits for any longer would be collected


async def _is_done(task: asyncio.Task[Any], seconds: float) -> bool:
    """Wait for a task, so long at most; tell whether it has ended."""
    _asked.add(task)
    task.add_done_callback(_let_go)
    return bool((await asyncio.wait({task}, timeout=seconds))[0])


def _let_go(task: asyncio.Task[Any]) -> None:
    _asked.discard(task)
    if not task.cancelled():
        task.exception()  # which is told to whoever still waits


class _Census:
    """Counts in the database for /metrics, which wait for it a moment, and never fail with it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._one = asyncio.Lock()
        self._listed_at, self._lists = datetime.min.replace(tzinfo=UTC), list[census.DialList]()
        self._good_until = 0.0
        self._counting: asyncio.Task[Counts | None] | None = None
        self._known: Counts | None = None

    async def counts(self) -> Counts | None:
        """Return the counts, those of before while new ones take long.

        None when the database is away: the counters are worth showing all the same.
        """
        counting = self._counting
        if counting is None or counting.done():
            counting = self._counting = asyncio.create_task(self._count())
        if await _is_done(counting, COUNT_SECONDS):  # meanwhile another request may have begun the next count
            self._known = counting.result()
        return self._known

    async def _count(self) -> Counts | None:
        try:
            return await self._counts()
        except Exception as error:  # tables that are out of sight, say
            note_upkeep_fault("metrics", error)
            return None

    async def _counts(self) -> Counts | None:
        with suppress(CasedialError):
            answered = await census.count_answered(self._store)
            webhooks = await census.count_webhooks(self._store)
            with suppress(CasedialError):
                await self._count_lists()
            return Counts(answered, webhooks, self._store.now(), self._lists, self._listed_at)
        return None

    async def _count_lists(self) -> None:
        """Count the due cases, if that is long enough ago: it looks at all of them."""
        async with self._one:
            started = time.monotonic()
            if started < self._good_until:
                return
            try:
                self._lists, self._listed_at = await census.count_lists(self._store)
            finally:
                took = time.monotonic() - started
                self._good_until = started + max(_LISTS_SECONDS, took * _LISTS_SHARE)


def _errors_page() -> str:
    """List every code a reply can carry; ``type`` of a problem document leads here."""
    rows = "".join(
        f'<tr id="{error.__name__}"><td><code>{error.__name__}</code></td><td>{status_of(error)}</td>'
        f"<td>{escape(error.title)}</td></tr>"
        for error in every_error()
        if not issubclass(error, OperatorError)
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>casedial: error codes</title>'
        "<style>body{font-family:sans-serif;margin:2rem auto;max-width:50rem}td,th{padding:.3rem 1rem;text-align:left}"
        "tr:target{background:#ffd}</style></head><body><h1>Error codes</h1>"
        f"<table><tr><th>code</th><th>status</th><th>meaning</th></tr>{rows}</table></body></html>"
    )
