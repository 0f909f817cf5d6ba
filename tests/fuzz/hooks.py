"""Steers Schemathesis to where requests are not all refused for the same reason; it loads this by its name."""

from __future__ import annotations

import itertools
import re
import time
from typing import Any

import schemathesis

from casedial.web.v1.routes import ROUTES
from tests.fuzz import words

_VALID_KEY = re.compile(r"[!-~]{1,255}")
_OF_SYSTEMS = {route.path for route in ROUTES}
_names = (f"{time.time_ns():x}-{number}" for number in itertools.count())  # several processes share a server


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """Let no two requests have one Idempotency-Key by accident, nor one parameter two values in most of them."""
    if case.operation.path in _OF_SYSTEMS:
        case.headers["X-ApiKey"] = words.MANAGE_KEY.decode()
    if _VALID_KEY.fullmatch(str(case.headers.get("Idempotency-Key", ""))):
        case.headers["Idempotency-Key"] = next(_names)
    if isinstance(case.body, dict) and case.query and len(str(case.body)) % 4:
        case.body = {name: value for name, value in case.body.items() if name not in case.query}
