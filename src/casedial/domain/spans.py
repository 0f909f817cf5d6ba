"""Spans of time, and limits on calls, as people write them: ``24h``, ``90 min``, ``7 days``, ``3/24h``."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import timedelta

from casedial.domain.errors import InvalidSetting

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SPAN = re.compile(
    r"(\d{1,9})\s*(s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:(?:ou)?rs?)?|d(?:ays?)?|w(?:eeks?)?|)", re.ASCII
)
_CALLS = re.compile(r"(\d{1,4})\s*(?:/|(?:calls?\s+)?in)\s*(.+)", re.ASCII)


def read_span(text: str, bare: str = "") -> timedelta:
    """Read a span of time: a number with s, m, h, d or w; ``bare`` is the unit of one without, which 0 never needs.

    Raises InvalidSetting.
    """
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None or not (found[2] or bare or int(found[1]) == 0):
        raise InvalidSetting(f"{text[:40]!r} is not a span: write a number with s, m, h, d or w, such as 24h; or 0")
    try:
        return timedelta(seconds=int(found[1]) * _UNITS.get((found[2] or bare)[:1], 0))
    except OverflowError:
        raise InvalidSetting(f"{text[:40]!r} is longer than a calendar") from None


def read_calls(text: str) -> tuple[int, timedelta]:
    """Read a number of calls in a time, such as ``3/24h``. Raises InvalidSetting."""
    found = _CALLS.fullmatch(text.strip())
    if found:
        with suppress(InvalidSetting):
            return int(found[1]), read_span(found[2])
    raise InvalidSetting(f"{text[:40]!r} is not a limit: write a number of calls, / and a span, such as 3/24h")
