"""What Hypothesis draws is judged by what comes of it, not by how quick the machine is; see tests/wire, too."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
