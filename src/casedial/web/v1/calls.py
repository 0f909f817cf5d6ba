"""A call below /v1 as a route reads it, and what the route makes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from casedial.database.engine import Store
from casedial.domain.actors import Actor
from casedial.domain.errors import InvalidParameter
from casedial.domain.firms import Caller, Firm
from casedial.service.operations.feed import Feed
from casedial.service.replies import Reply
from casedial.web.exchange import Departure
from casedial.wire.documents import Document, JsonObject, Parameters
from casedial.wire.replies import encode
from casedial.wire.v1.reading import object_of, page_limit

T = TypeVar("T")


@dataclass(slots=True)
class Call:
    """Who calls, with what: parts of its path, query and body, each of which is read by its name.

    What is wrong is gathered, and raised by ``finish``, after the route has read all it wants.
    """

    caller: Caller
    document: Document
    path: Mapping[str, str]
    now: datetime
    request_id: str
    feed: Feed
    departure: Departure
    address: str | None = None
    query: Parameters = field(init=False)
    _read: list[Parameters] = field(init=False)

    def __post_init__(self) -> None:
        self.query = Parameters(self.document.query, self.document.ignored)
        self._read = [self.query]

    @property
    def firm(self) -> Firm:
        """Return the firm of the key."""
        return self.caller.firm

    @property
    def actor(self) -> Actor:
        """Return who does it: the key, from where it was used."""
        return replace(self.caller.actor, origin=self.address or "")

    def place(self, part: str, name: str, read: Callable[[object], T]) -> T:
        """Return a part of the path; ``name`` is what messages call it. Raises InvalidParameter."""
        found = Parameters([(name, self.path[part])], [], "path")
        value = found.required(name, read)
        found.finish()
        return value

    @property
    def body(self) -> Parameters:
        """Return the fields of the body. Raises MalformedDocument, and InvalidParameter where it is no object."""
        return self.within(object_of(self.document.body, "The body", "#"), "#")

    def within(self, found: JsonObject, pointer: str) -> Parameters:
        """Return the fields of an object in the body, which are to be read as the body's own."""
        parameters = Parameters(found, self.document.ignored, pointer)
        self._read.append(parameters)
        return parameters

    def limit(self, most: int, usual: int) -> int:
        """Return how many things a page is to have."""
        return self.query.optional("Limit", page_limit(most)) or usual

    def finish(self) -> None:
        """Raise what is wrong with the fields: the first, naming the bad fields of all that were read."""
        for parameters in self._read:
            parameters.finish()
        self._read.clear()

    def refuse_body(self) -> None:
        """Raise InvalidParameter where there is a body."""
        if self.document.body is not None:
            raise InvalidParameter("This takes no body.")


@dataclass(frozen=True, slots=True)
class Work:
    """What a call asks for: ``run`` calls one operation, and renders the reply.

    ``cases`` is about how many it is, where they may be many; 0 takes no turn. ``behind`` goes on after the reply,
    where it was done for the first time: nobody waits for it, and nothing may be lost with it.
    """

    run: Callable[[Store], Awaitable[Reply]]
    cases: int = 1
    behind: Callable[[Store], Awaitable[object]] | None = None


def done(body: object, cases: int = 0, outcome: str | None = None) -> Reply:
    """Return a reply with a body, a struct or what JSON has; ``cases`` is what the log says of it."""
    reply = Reply(encode(body), cases=cases)
    return replace(reply, outcome=outcome) if outcome else reply
