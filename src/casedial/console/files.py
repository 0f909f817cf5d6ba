"""Static files: the style sheet, the script, the picture of the tab."""

from __future__ import annotations

from casedial.console.answers import Raw
from casedial.console.rendering import FILES, is_current
from casedial.console.routing import Door, Route
from casedial.console.visits import Visit
from casedial.domain.errors import PathNotFound


async def file(visit: Visit) -> Raw:
    """Return a file by its name and what it is now."""
    name = visit.parameters["name"]
    if not is_current(name, visit.parameters["hash"]):
        raise PathNotFound("There is no such file.")
    body, media_type = FILES[name]
    return Raw(body, f"{media_type}; charset=utf-8", keep=True)


ROUTES = (Route("GET", "/static/{hash}/{name}", file, Door.OPEN),)
