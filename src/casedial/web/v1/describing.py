"""What the OpenAPI document has of the paths below /v1, made of their routes."""

from __future__ import annotations

from typing import Any

import msgspec

from casedial.domain.errors import IdempotencyKeyReused, RequestStillRunning
from casedial.web.described import operation, query_of, request_headers, responses
from casedial.web.fields import CASE_ID
from casedial.web.schemas import ref
from casedial.web.v1.routes import ROUTES
from casedial.web.v1.routing import Route, Schema

TAG = "The firm's own systems"
_PARTS: dict[str, Schema] = {"case_id": CASE_ID}


def paths() -> Schema:
    """Return the paths of all routes."""
    found: dict[str, Schema] = {}
    for route in ROUTES:
        found.setdefault(route.path, {})[route.verb.lower()] = _described(route)
    return found


def schemas() -> Schema:
    """Return the schemas of all replies and bodies, by the names that generators call them by."""
    _, components = msgspec.json.schema_components(
        {route.about.reply for route in ROUTES}, ref_template="#/components/schemas/{name}"
    )
    bodies = {route.name + "Body": route.about.body for route in ROUTES if route.about.body}
    return {**components, **bodies}


def _described(route: Route) -> Schema:
    about = route.about
    repeated = (RequestStillRunning, IdempotencyKeyReused) if route.changes else ()
    headers = ("Idempotency-Key",) if route.changes else ()
    parts: Schema = {
        "description": " ".join(filter(None, (about.detail, f"For keys with the scope {' or '.join(route.scopes)}."))),
        "parameters": [*_places(route), *query_of(dict(about.query)), *request_headers(*headers)],
        "responses": responses(ref(about.reply.__name__), about.example, (*about.errors, *repeated)),
    }
    if about.body:
        media = {"schema": ref(f"{route.name}Body"), "example": about.sent}
        parts["requestBody"] = {"required": True, "content": {"application/json": media}}
    described: dict[str, Any] = operation(route.name, route.verb.lower(), about.summary, parts)
    return {**described, "operationId": route.name, "tags": [TAG]}


def _places(route: Route) -> list[Schema]:
    names = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    known = {**_PARTS, **route.about.path}
    return [{"name": name, "in": "path", "required": True, "schema": known[name]} for name in names]
