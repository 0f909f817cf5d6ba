"""Hypothesis as in tests/domain."""

from __future__ import annotations

import tests.domain.conftest  # noqa: F401
