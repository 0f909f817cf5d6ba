"""What is not the API: health, metrics, and the interactive reference, which works with no network."""

from __future__ import annotations

from html import escape

from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect
from litestar.router import Router
from litestar.static_files import create_static_files_router
from swagger_ui_bundle import swagger_ui_path

from casedial.domain.errors import OperatorError, SchemaBehind, every_error
from casedial.storage import schema
from casedial.storage.engine import Store
from casedial.web.observe import metrics
from casedial.web.openapi import document
from casedial.web.problems import status_of
from casedial.wire.replies import encode

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


def pages(store: Store, base: str) -> list[HTTPRouteHandler | Router]:
    """Return the routes beside the API."""
    return [*_reference(base), *_health(store)]


def _reference(base: str) -> list[HTTPRouteHandler | Router]:
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

    assets = create_static_files_router("/docs/assets", directories=[swagger_ui_path])
    return [root, reference, start, error_reference, schema_document, assets]


def _health(store: Store) -> list[HTTPRouteHandler]:
    @get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @get("/readyz")
    async def readyz() -> dict[str, str]:
        async with store.read() as tx:
            found = await schema.state(tx)
        if not found.at_head:
            raise SchemaBehind(f"The database is at revision {found.current}, not {found.head}: run casedial migrate.")
        return {"status": "ready", "database": store.database, "revision": found.head}

    @get("/metrics")
    async def show_metrics() -> Response[bytes]:
        body, media_type = metrics()
        return Response(body, media_type=media_type)

    return [healthz, readyz, show_metrics]


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
