"""All routes below /v1, a file for each subject."""

from __future__ import annotations

from casedial.web.v1 import cases, changes
from casedial.web.v1.routing import Route, Table

ROUTES: tuple[Route, ...] = (*cases.ROUTES, *changes.ROUTES)
TABLE = Table(ROUTES)
