"""What a page returns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from casedial.console.forms import FormErrors


@dataclass(frozen=True, slots=True)
class Page:
    """A whole page: a template and what it shows; with ``errors`` the form of it once more, and the status is 422."""

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    errors: FormErrors = field(default_factory=FormErrors)
    status: int = 200


@dataclass(frozen=True, slots=True)
class Fragment:
    """A part of a page that it fetches again and again; one that is as it was is not sent.

    ``shared`` names all that it is made of, where it is the same for others who look on: it is rendered once for them,
    and ``values`` is called once.
    """

    template: str
    values: Callable[[], Mapping[str, Any]]
    shared: Hashable = None


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where to go after something was done, and what to say there. It leads to pages of the console only."""

    to: str
    said: str = ""
    cookies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Download:
    """A file to keep."""

    name: str
    media_type: str
    body: bytes | AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes that a page needs: a style sheet, a script, a picture."""

    body: bytes
    media_type: str
    keep: bool = False  # for long, for its address changes with it


Answer: TypeAlias = Page | Fragment | Redirect | Download | Raw
