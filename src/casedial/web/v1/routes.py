"""All routes below /v1, a file for each subject."""

from __future__ import annotations

from casedial.web.v1 import campaigns, cases, changes, do_not_call, feed, figures, putting, statuses
from casedial.web.v1.routing import Route, Table

ROUTES: tuple[Route, ...] = (
    *cases.ROUTES,
    *putting.ROUTES,
    *changes.ROUTES,
    *campaigns.ROUTES,
    *statuses.ROUTES,
    *do_not_call.ROUTES,
    *figures.ROUTES,
    *feed.ROUTES,
)
TABLE = Table(ROUTES)
