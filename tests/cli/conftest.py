"""The command line on a database of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_commands import Casedial


@pytest.fixture
def casedial(database_url: str, tmp_path: Path) -> Casedial:
    return Casedial(database_url, tmp_path)
