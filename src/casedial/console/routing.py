"""How a page is declared, and found by the path of a request."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import TypeAlias

from casedial.console.answers import Answer
from casedial.console.visits import Visit
from casedial.domain.users import UserRole

Handler: TypeAlias = Callable[[Visit], Awaitable[Answer]]

BASE = "/console"


class Door(Enum):
    """Who gets in where no role is needed."""

    OPEN = "open"  # anybody
    SIGNED_IN = "signed in"  # any user


@dataclass(frozen=True)
class Route:
    """A page at a path below ``/console``: ``/{firm}/cases/{case_id}``; what stands for a parameter has no slash.

    ``least`` is the role that it takes: in the firm of the path or, where there is none in it, in any firm. ``live``
    is a part that a page fetches by itself, which is no use of a session. ``takes_files`` lets bodies be large.
    """

    verb: str
    path: str
    handler: Handler
    least: UserRole | Door
    live: bool = False
    takes_files: bool = False

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Return what matches its paths."""
        return re.compile(BASE + re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]{1,64})", re.escape(self.path)))

    @property
    def of_firm(self) -> bool:
        """Tell whether it is a page of one firm."""
        return self.path.startswith("/{firm}")


class Table:
    """All routes."""

    def __init__(self, routes: Iterable[Route]) -> None:
        # Of two that match, the one with fewer parameters is meant: /account before /{firm}.
        self.routes = sorted(routes, key=lambda route: route.path.count("{"))
        self._paths = {(route.verb, route.path) for route in self.routes}

    def find(self, verb: str, path: str) -> tuple[Route | None, Mapping[str, str], tuple[str, ...]]:
        """Return the route of a request and what stands for its parameters; and the verbs that the path takes."""
        matches = [(route, found) for route in self.routes if (found := route.pattern.fullmatch(path))]
        if not matches:
            return None, {}, ()
        first = matches[0][0].path
        here = {route.verb: (route, found) for route, found in matches if route.path == first}
        if verb not in here:
            return None, {}, tuple(sorted(here))
        route, found = here[verb]
        return route, found.groupdict(), tuple(sorted(here))

    def has(self, verb: str, path: str) -> bool:
        """Tell whether there is such a page."""
        return (verb, path) in self._paths
