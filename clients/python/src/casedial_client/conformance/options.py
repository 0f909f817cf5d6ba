"""What a run is asked to do: the options, once for every command that offers them."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

METHODS = ("GetCasesToDial", "GetCaseInfo", "UpdateCaseStatus", "AddCaseNote", "AddCaseNoteByPhone")
TO_DIAL, IN_THE_DIALER, DO_NOT_DIAL = DIALER_STATUSES = ("To Dial", "In the Dialer", "Do not Dial")
DISPOSITIONS = ("Never Dialed", "Busy", "No Answer", "Answering Machine", "Successful")
_MOST = 1000  # cases that are named


class BadOptions(Exception):
    """An option cannot be used, or does not go with the others; the text is for whoever gave it."""


def _option(help: str, metavar: str = "", default: Any = None) -> Any:
    """Describe an option. One without a metavar is a flag; one whose default is a list may repeat."""
    about = {"help": help, "metavar": metavar}
    return field(default_factory=list, metadata=about) if default == [] else field(default=default, metadata=about)


@dataclass
class Options:
    """The options as they were typed. ``--key`` is none: everybody on a machine can read a list of processes."""

    url: str | None = _option("The address of the methods; by default CASEDIAL_URL.", "URL")
    key_from: str | None = _option("The file with the key, - for standard input; else CASEDIAL_KEY.", "FILE")
    write: bool = _option("Also change the cases that --cases names, and put them back.", default=False)
    campaign: str | None = _option("The campaign of these cases; without --write, the one to look at.", "NAME")
    cases: str | None = _option("The cases that may be changed, such as 101-112,120.", "CASEIDS")
    closed: str | None = _option("Those of them that are closed.", "CASEIDS")
    case_group: str | None = _option("The case group of these cases.", "NAME")
    disposition: str | None = _option("The Last Dialer Disposition that these cases have, to be put back.", "NAME")
    status: list[str] = _option("What the firm calls a status, such as 'Busy=Engaged'; may repeat.", "NAME=NAME", [])
    path: list[str] = _option("Where a method is, such as AddCaseNote=/notes/add; may repeat.", "METHOD=PATH", [])
    verb: list[str] = _option("The HTTP verb of a method, such as GetCasesToDial=GET; may repeat.", "METHOD=VERB", [])
    time_zone: str | None = _option("The firm's time zone; casedial tells its own.", "ZONE")
    timeout: int = _option("For how many seconds to wait for a reply.", "N", 10)
    put_back: str = _option(
        "Where to keep what the cases were, in case the run is killed.", "FILE", "conformance-put-back.json"
    )
    junit: str | None = _option("Also write the verdicts to this file as JUnit XML.", "FILE")
    json: bool = _option("Write one JSON document to standard output.", default=False)


def option_fields() -> tuple[Field[Any], ...]:
    """Return every option, in the order in which to show them."""
    return fields(Options)


def flag(name: str) -> str:
    """Return how an option is typed."""
    return f"--{name.replace('_', '-')}"


@dataclass(frozen=True)
class Wanted:
    """The options, read and found to go together."""

    url: str
    key: str = field(repr=False)
    campaign: str | None
    case_ids: tuple[int, ...]  # that may be changed; none in a run that only reads
    closed: frozenset[int]
    case_group: str | None
    disposition: str | None
    statuses: Mapping[str, str]  # the firm's names of the published ones
    paths: Mapping[str, str]
    verbs: Mapping[str, str]
    zone: ZoneInfo | None
    timeout: int
    put_back: Path

    @property
    def writes(self) -> bool:
        """Tell whether cases may be changed."""
        return bool(self.case_ids)


def read_options(given: Options) -> Wanted:
    """Read the options. Raises BadOptions."""
    url = given.url or os.environ.get("CASEDIAL_URL", "")
    if not re.match(r"https?://[^/]", url):
        raise BadOptions(f"--url {url!r} is not an address such as http://127.0.0.1:8000/PredictiveDialer")
    if given.write and not (given.campaign and given.cases):
        raise BadOptions("--write needs --campaign and --cases: it changes only what you name")
    if not given.write and (given.cases or given.closed or given.disposition):
        raise BadOptions("--cases, --closed and --disposition are about cases that may be changed: add --write")
    case_ids = _case_ids(given.cases or "", "--cases")
    closed = frozenset(_case_ids(given.closed or "", "--closed"))
    if lost := closed - set(case_ids):
        raise BadOptions(f"--closed names {min(lost)}, which --cases does not")
    return Wanted(
        url=url.rstrip("/"),
        key=_key(given.key_from),
        campaign=given.campaign,
        case_ids=case_ids,
        closed=closed,
        case_group=given.case_group,
        disposition=given.disposition,
        statuses=_pairs(given.status, "--status", (*DIALER_STATUSES, *DISPOSITIONS)),
        paths=_pairs(given.path, "--path", METHODS),
        verbs={method: verb.upper() for method, verb in _pairs(given.verb, "--verb", METHODS).items()},
        zone=_zone(given.time_zone),
        timeout=given.timeout,
        put_back=Path(given.put_back),
    )


def _case_ids(text: str, option: str) -> tuple[int, ...]:
    found: list[int] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        ends = re.fullmatch(r"(\d{1,18})(?:-(\d{1,18}))?", part, re.ASCII)
        first, last = (int(ends[1]), int(ends[2] or ends[1])) if ends else (1, 0)
        if not 0 < first <= last < first + _MOST:
            raise BadOptions(f"{option} {part[:40]!r} is not a CaseID or a range of up to {_MOST}, such as 101-112")
        found += range(first, last + 1)
    return tuple(dict.fromkeys(found))


def _pairs(given: Sequence[str], option: str, known: Sequence[str]) -> dict[str, str]:
    by_name = {name.casefold(): name for name in known}
    found = {}
    for text in given:
        name, equals, value = (part.strip() for part in text.partition("="))
        if name.casefold() not in by_name or not equals or not value:
            raise BadOptions(f"{option} {text[:60]!r} is not NAME=…, where NAME is one of {', '.join(known)}")
        found[by_name[name.casefold()]] = value
    return found


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError):
        raise BadOptions(f"--time-zone {name!r} is not a name such as America/Chicago") from None


def _key(file: str | None) -> str:
    try:
        found = (
            sys.stdin.read() if file == "-" else Path(file).read_text() if file else os.environ.get("CASEDIAL_KEY", "")
        )
    except OSError as error:
        raise BadOptions(f"--key-from {file} cannot be read: {error.strerror or error}") from None
    if not (key := found.strip()):
        raise BadOptions("there is no key: set CASEDIAL_KEY, or name a file with --key-from")
    if not key.isascii() or not key.isprintable():
        raise BadOptions("the key has characters that no key has")
    return key
