"""What goes wrong with the next calls: each fault is for so many of them, of one method or of any."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from casedial.domain.errors import CasedialError, InvalidParameter, RateLimited, StorageUnavailable
from casedial.web.api import METHODS
from casedial.web.v1.routes import TABLE

MOST_SECONDS = 3600
_MOST_CALLS = 1_000_000
_REFUSED = "The sandbox was told to refuse this call; nothing was changed."

# What each kind is told beside ``calls`` and ``method``.
KINDS: Mapping[str, tuple[str, ...]] = {
    "delay": ("seconds",),
    "cut": ("bytes",),
    "reset before": (),
    "reset after": (),
    "429": ("retry_after",),
    "503": (),
}


@dataclass(slots=True)
class Fault:
    """A fault, and how many calls it is still for."""

    kind: str
    calls: int = 1
    method: str | None = None
    seconds: float = 1.0  # that a call waits before it is begun
    bytes: int = 0  # of the reply that arrive, its head included
    retry_after: int = 1

    def is_for(self, method: str) -> bool:
        """Tell whether a call of this method meets it."""
        return self.method is None or self.method.lower() == method.lower()

    def refusal(self) -> CasedialError | None:
        """Return what a call is refused with, if the fault is that it is."""
        if self.kind == "429":
            return RateLimited(_REFUSED, self.retry_after)
        return StorageUnavailable(_REFUSED) if self.kind == "503" else None

    def document(self) -> dict[str, Any]:
        """Return it as it is told."""
        told = ("calls", "method", *KINDS[self.kind])
        return {"fault": self.kind, **{name: value for name, value in asdict(self).items() if name in told}}


class Faults:
    """The faults to come, in their order: a call meets the first that is for it, and no other."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []

    def take(self, method: str) -> Fault | None:
        """Return the fault that a call meets, None for none; it is then for one call less."""
        found = next((fault for fault in self.waiting if fault.is_for(method)), None)
        if found:
            found.calls -= 1
            self.waiting = [fault for fault in self.waiting if fault.calls]
        return found


def fault_of(asked: Mapping[str, Any]) -> Fault:
    """Read a fault from a document. Raises InvalidParameter."""
    kind = str(asked.get("fault"))
    if kind not in KINDS:
        raise InvalidParameter(f"fault must be one of: {', '.join(KINDS)}.")
    takes = ("calls", "method", *KINDS[kind])
    for name in asked.keys() - {"fault", *takes}:
        raise InvalidParameter(f"The fault {kind!r} takes {', '.join(takes)}, not {name[:40]!r}.")
    known = [*METHODS, "Firm", "Explain", "Preflight", *(route.name for route in TABLE.routes)]
    method = asked.get("method")
    if method is not None and method not in known:
        raise InvalidParameter(f"method must be one of: {', '.join(known)}.")
    return Fault(
        kind,
        int(_number(asked, "calls", 1, lambda n: 1 <= n <= _MOST_CALLS and n == int(n))),
        method,
        _number(asked, "seconds", 1, lambda n: 0 <= n <= MOST_SECONDS),
        int(_number(asked, "bytes", 0, lambda n: n >= 0 and n == int(n))),
        int(_number(asked, "retry_after", 1, lambda n: 1 <= n <= MOST_SECONDS and n == int(n))),
    )


def _number(asked: Mapping[str, Any], name: str, default: float, fits: Callable[[float], bool]) -> float:
    value = asked.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not fits(value):
        raise InvalidParameter(f"{name} is a number that cannot be used: {str(value)[:40]}.")
    return value
