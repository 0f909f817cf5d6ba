"""Counts that are added up page by page: of changes of many cases, of imports."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self


@dataclass(slots=True)
class Counted:
    """Several counts, each a field."""

    def add(self, other: Self) -> None:
        """Add each count of another page."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))
