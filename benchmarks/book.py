"""What was measured, kept in a file from the first figure on: a run that is cut off loses nothing."""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.machine import load_average


@dataclass(slots=True)
class Book:
    """Measurements, each a row's name, a contestant, a round, and figures.

    Figures are ``rate`` in cases a second, ``p50`` and ``p99`` in milliseconds.
    """

    path: Path
    machine: dict[str, object]
    about: dict[str, object] = field(default_factory=dict)
    measured: list[dict[str, object]] = field(default_factory=list)
    failed: list[dict[str, object]] = field(default_factory=list)
    written: str = ""  # when the file was, that was read
    began: float = field(default_factory=time.monotonic)
    _anew: set[tuple[str, str]] = field(default_factory=set)  # what was measured since the file was read

    def note(self, row: str, who: str, number: int, **figures: float) -> None:
        """Keep one measurement, and say it; those of an earlier run give way to the first of this one."""
        if (row, who) not in self._anew:
            self._anew.add((row, who))
            self.measured = [one for one in self.measured if (one["row"], one["who"]) != (row, who)]
            self.failed = [one for one in self.failed if (one["row"], one["who"]) != (row, who)]
        shown = {name: round(value, 3) for name, value in figures.items()}
        self.measured.append({"row": row, "who": who, "round": number, **shown, "load": round(load_average(), 2)})
        text = "  ".join(f"{name} {value:,.1f}" for name, value in shown.items())
        print(f"  {time.monotonic() - self.began:5.0f} s  {row:34} {who:12} {text}", flush=True)
        self.save()

    def fail(self, row: str, who: str, number: int, why: str) -> None:
        """Keep that a round went wrong: no table is published that has one."""
        self.failed.append({"row": row, "who": who, "round": number, "why": why})
        print(f"  WRONG  {row:34} {who:12} {why}", flush=True)
        self.save()

    def save(self) -> None:
        """Write everything to the file."""
        self.path.parent.mkdir(exist_ok=True)
        when = datetime.now(UTC).isoformat(timespec="seconds")
        whole = {"written": when, "machine": self.machine, "about": self.about, "failed": self.failed}
        whole["measured"] = self.measured
        self.path.write_text(json.dumps(whole, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Book:
        """Read a file of results."""
        whole = json.loads(path.read_text())
        return cls(path, whole["machine"], whole["about"], whole["measured"], whole["failed"], whole["written"])

    def figures(self, row: str, who: str, name: str) -> list[float]:
        """Return a figure of every round."""
        mine = [one for one in self.measured if one["row"] == row and one["who"] == who]
        return [float(one[name]) for one in mine if name in one]  # type: ignore[arg-type]

    def median(self, row: str, who: str, name: str) -> float | None:
        """Return the median of a figure over the rounds, None where it was not measured."""
        found = self.figures(row, who, name)
        return statistics.median(found) if found else None
