"""Templates to pages: what every template may use."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from casedial import __version__
from casedial.console.doors import FIELD, form_token
from casedial.console.forms import FormErrors
from casedial.console.visits import Visit
from casedial.domain.users import UserRole
from casedial.domain.weeks import brief_week

_FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FILES = {file.name: (file.read_bytes(), _TYPES[file.suffix]) for file in _FOLDER.iterdir()}
_HASHES = {name: sha256(body).hexdigest()[:12] for name, (body, _) in FILES.items()}

# The subjects, in the order of the navigation; one is shown where its page is there, to those who may see it.
NAVIGATION = (
    ("Today", "/{firm}/", UserRole.VIEWER),
    ("Cases", "/{firm}/cases", UserRole.VIEWER),
    ("Changes", "/{firm}/changes", UserRole.VIEWER),
    ("Import", "/{firm}/import", UserRole.MANAGER),
    ("Export", "/{firm}/export", UserRole.MANAGER),
    ("Reports", "/{firm}/reports", UserRole.VIEWER),
    ("Campaigns", "/{firm}/campaigns", UserRole.VIEWER),
    ("Do not call", "/{firm}/do-not-call", UserRole.VIEWER),
    ("Set-up", "/{firm}/setup", UserRole.VIEWER),
    ("Keys", "/{firm}/keys", UserRole.ADMINISTRATOR),
    ("Webhooks", "/{firm}/webhooks", UserRole.ADMINISTRATOR),
    ("Audit", "/{firm}/audit", UserRole.ADMINISTRATOR),
)


def static(name: str) -> str:
    """Return the address of a static file, which changes with it."""
    return f"/console/static/{_HASHES[name]}/{name}"


def is_current(name: str, hash_: str) -> bool:
    """Tell whether this is the address of a static file as it is now."""
    return _HASHES.get(name) == hash_


def number(value: int | None) -> str:
    """Write a number for people: 12,431."""
    return "–" if value is None else f"{value:,}"


def relative(moment: datetime, now: datetime) -> str:
    """Say how long ago something was, or in how long it will be."""
    seconds = round((moment - now).total_seconds())
    far = abs(seconds)
    if far < 5:
        return "now"
    for most, unit, word in ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "h"), (60 * 86400, 86400, "d")):
        if far < most:
            told = f"{far // unit} {word}"
            return f"in {told}" if seconds > 0 else f"{told} ago"
    return f"{moment:%b} {moment.day}, {moment.year}"


def exact(moment: datetime, visit: Visit) -> str:
    """Write when something is in the zone of the visit: Mon, Nov 23, 2026, 15:04:05."""
    local = moment.astimezone(visit.zone)
    return f"{local:%a, %b} {local.day}, {local.year}, {local:%H:%M:%S}"


@pass_context
def when(context: Context, moment: datetime | None, empty: str = "never") -> Markup:
    """Write when something is: relative, and exactly for who points at it."""
    if moment is None:
        return Markup('<span class="dim">{}</span>').format(empty)
    visit: Visit = context["visit"]
    told = Markup('<time datetime="{}" title="{}">{}</time>')
    return told.format(moment.isoformat(), exact(moment, visit), relative(moment.astimezone(visit.zone), visit.now))


@pass_context
def at(context: Context, moment: datetime | None, empty: str = "") -> Markup:
    """Write when something is by the clock of the visit's zone."""
    if moment is None:
        return Markup('<span class="dim">{}</span>').format(empty)
    visit: Visit = context["visit"]
    return Markup('<time datetime="{}">{}</time>').format(moment.isoformat(), exact(moment, visit))


def span(value: timedelta) -> str:
    """Write a span of time: 2 h 5 min."""
    minutes = round(value.total_seconds() / 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


_SYSTEMS = ("iPhone", "iPad", "Android", "Windows", "Macintosh", "CrOS", "Linux")
_BROWSERS = {"Edg/": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}


def browser(agent: str) -> str:
    """Name a browser by what it calls itself: Firefox, Windows."""
    name = next((name for mark, name in _BROWSERS.items() if mark in agent), "")
    system = next((system for system in _SYSTEMS if system in agent), "")
    return ", ".join(part.replace("Macintosh", "Mac") for part in (name, system) if part) or agent[:40] or "unknown"


class Renderer:
    """Renders templates of the console; whatever a value holds is text in them, never markup."""

    def __init__(self, has_page: Any) -> None:
        self._environment = Environment(
            loader=PackageLoader("casedial.console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(when=when, at=at, number=number, span=span, browser=browser, week=brief_week)
        self._environment.globals.update(
            static=static, version=__version__, UserRole=UserRole, token_field=FIELD, navigation=NAVIGATION
        )
        self._has_page = has_page

    def render(self, template: str, visit: Visit, values: Mapping[str, Any], errors: FormErrors, said: str = "") -> str:
        """Render a template for a visit."""
        shown = {
            "visit": visit,
            "errors": errors,
            "said": said,
            "form_token": form_token(visit.token),
            "links": self._links(visit),
            **values,
        }
        return self._environment.get_template(template).render(shown)

    def _links(self, visit: Visit) -> list[tuple[str, str, bool]]:
        """Return the navigation: names, addresses, and which one is here."""
        seat, found = visit.place, list[tuple[str, str, bool]]()
        for name, path, least in NAVIGATION if seat else ():
            if seat and seat.role >= least and self._has_page("GET", path):
                address = "/console" + path.replace("{firm}", seat.slug)
                here = visit.path == address or (path != "/{firm}/" and visit.path.startswith(f"{address}/"))
                found.append((name, address, here))
        return found
