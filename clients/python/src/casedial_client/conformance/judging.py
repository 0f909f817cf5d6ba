"""What a check is, and how a run comes to its verdicts."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from casedial_client.conformance.wire import Exchange

if TYPE_CHECKING:
    from casedial_client.conformance.trial import Trial

BEYOND = "Beyond the specification"
SHOWS = "that-case-is-returned"  # without which nobody could see what becomes of a case


class Fails(Exception):
    """The server did not do what the specification says: what was expected, and what came instead."""

    def __init__(self, expected: str, exchange: Exchange) -> None:
        super().__init__(expected)
        self.expected, self.exchange = expected, exchange


class NotTried(Exception):
    """The check says nothing about the server; the text says why."""


class Verdict(StrEnum):
    """What a check came to."""

    HOLDS = "holds"
    FAILS = "fails"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True)
class Check:
    """One check. ``needs`` are those that must hold before it says anything, for else it would repeat their failure."""

    name: str
    section: str
    says: str
    how: str
    run: Callable[[Trial], None]
    needs: tuple[str, ...]
    writes: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check came to, and why; ``exchange`` is there where it fails."""

    check: Check
    verdict: Verdict
    why: str
    exchange: Exchange | None
    seconds: float


CHECKS: dict[str, Check] = {}


def check(section: str, *needs: str, writes: bool = False) -> Callable[[Callable[[Trial], None]], None]:
    """Register a check: its docstring's first line is what it says, the rest is how that is tried."""

    def register(function: Callable[[Trial], None]) -> None:
        name = function.__name__.replace("_", "-")
        says, _, how = (inspect.getdoc(function) or "").partition("\n\n")
        CHECKS[name] = Check(
            name, section, " ".join(says.split()).rstrip("."), " ".join(how.split()), function, needs, writes
        )

    return register


def judge(trial: Trial, borrow: Callable[[Trial], None]) -> Iterator[Outcome]:
    """Try every check, and yield what each came to.

    First come those that need nothing but a server. If GetCaseInfo can be relied on, cases are borrowed for the others.
    """
    found: dict[str, Verdict] = {}
    first = [one for one in CHECKS.values() if not one.needs and not one.writes]
    for one in first:
        yield _outcome(one, trial, found)
    if trial.wanted.writes and found[SHOWS] is Verdict.HOLDS:
        borrow(trial)
    for one in CHECKS.values():
        if one not in first and (one.section != BEYOND or trial.is_casedial):
            yield _outcome(one, trial, found)


def _outcome(one: Check, trial: Trial, found: dict[str, Verdict]) -> Outcome:
    began = time.monotonic()
    verdict, why, exchange = _tried(one, trial, found)
    found[one.name] = verdict
    return Outcome(one, verdict, why, exchange, time.monotonic() - began)


def _tried(one: Check, trial: Trial, found: dict[str, Verdict]) -> tuple[Verdict, str, Exchange | None]:
    if one.writes and not trial.wanted.writes:
        return Verdict.NOT_TRIED, "it changes cases: name some with --write", None
    for name in one.needs:
        if found.get(name) is not Verdict.HOLDS:
            return Verdict.NOT_TRIED, f"it builds on {name}, which {_became(found.get(name))}", None
    if one.writes and not trial.lent.is_ready:
        return Verdict.NOT_TRIED, f"no case was changed, for {SHOWS} does not hold", None
    try:
        one.run(trial)
    except Fails as failure:
        return Verdict.FAILS, failure.expected, failure.exchange
    except NotTried as reason:
        return Verdict.NOT_TRIED, str(reason), None
    return Verdict.HOLDS, "", None


def _became(verdict: Verdict | None) -> str:
    return "fails" if verdict is Verdict.FAILS else "was not tried"
