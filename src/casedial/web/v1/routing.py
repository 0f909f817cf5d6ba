"""Routes below /v1: what one is, and which one a path and a verb are for."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from casedial.domain.errors import CasedialError
from casedial.domain.keys import Scope
from casedial.web.v1.calls import Call, Work

_READS = ("GET",)
Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Described:
    """What the OpenAPI document says of a route.

    ``reply`` is the struct of its reply, and ``example`` one of those as JSON. ``query`` and ``body`` are schemas of
    what it takes, ``sent`` an example of the body. ``errors`` are those that not every route has. ``path`` are
    schemas of the parts of its path.
    """

    summary: str
    reply: type
    example: Any
    query: Mapping[str, Schema] = field(default_factory=dict)
    body: Schema | None = None
    sent: Any = None
    errors: tuple[type[CasedialError], ...] = ()
    path: Mapping[str, Schema] = field(default_factory=dict)
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """A verb and a path: its name in logs and metrics, the scopes of which a key needs one, and what reads a call.

    ``apart``: its operation takes transactions of its own, and may be done twice. ``writes`` is False for a POST that
    only reads: what it looks for is nobody's to see in an address.
    """

    verb: str
    path: str
    name: str
    scopes: Collection[Scope]
    read: Callable[[Call], Work]
    about: Described
    apart: bool = False
    writes: bool = True

    @property
    def changes(self) -> bool:
        """Tell whether it changes anything, and so is done once for each Idempotency-Key."""
        return self.writes and self.verb not in _READS


@dataclass(frozen=True, slots=True)
class Found:
    """The routes of a path by their verbs, and what stands in the path for its parts."""

    routes: Mapping[str, Route]
    path: Mapping[str, str]

    @property
    def verbs(self) -> tuple[str, ...]:
        """Return the verbs that the path takes."""
        return tuple(self.routes)

    def name(self, verb: str) -> str:
        """Return what logs and metrics call a request; one with a wrong verb goes by the first route of the path."""
        return self.routes.get(verb, next(iter(self.routes.values()))).name


class Table:
    """Knows which routes a path has."""

    def __init__(self, routes: Iterable[Route]) -> None:
        by_path: dict[str, dict[str, Route]] = {}
        for route in routes:
            if by_path.setdefault(route.path, {}).setdefault(route.verb, route) is not route:
                raise ValueError(f"{route.verb} {route.path} is there twice.")
        self.routes = [route for of_path in by_path.values() for route in of_path.values()]
        names = [route.name for route in self.routes]
        if len(set(names)) < len(names):
            raise ValueError("Two routes have one name.")
        self._plain = {path: of_path for path, of_path in by_path.items() if "{" not in path}
        self._patterns = [(_pattern(path), of_path) for path, of_path in by_path.items() if "{" in path]

    def find(self, path: str) -> Found | None:
        """Return the routes of a path as it was sent; only in its parts escapes are read.

        A path without parts goes before one in which they could mean it.
        """
        if path in self._plain:
            return Found(self._plain[path], {})
        for pattern, routes in self._patterns:
            if match := pattern.fullmatch(path):
                try:
                    return Found(
                        routes, {name: unquote(part, errors="strict") for name, part in match.groupdict().items()}
                    )
                except UnicodeDecodeError:
                    return None
        return None


def _pattern(path: str) -> re.Pattern[str]:
    """Return what matches a path; what stands for one of its parts is short."""
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]{1,256})", path))
