"""The guide's commands, on the guide's cases, as they stand."""

from __future__ import annotations

import os
import re
import shlex
import subprocess

import pytest

from tests.conformance.conftest import GUIDE, Lender
from tests.servers import CASEDIAL, Server


@pytest.fixture
def database() -> str:
    """It makes no difference to a run."""
    return "sqlite"


async def test_the_guides_commands_work_as_they_stand(lender: Lender, database_url: str) -> None:
    commands = re.findall(r"^casedial conformance[^\n\\]*(?:\\\n[^\n\\]*)*", GUIDE.read_text(encoding="utf-8"), re.M)
    assert len(commands) == 2
    with Server(database_url, CASEDIAL_LOG_LEVEL="error") as server:
        where = {"CASEDIAL_URL": server.base, "CASEDIAL_KEY": lender.office.key}
        for command in commands:
            words = [str(CASEDIAL), *shlex.split(command.replace("\\\n", " "))[1:]]
            done = subprocess.run(
                words,
                env=os.environ | where,
                cwd=lender.folder,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert " 0 fails, 0 not tried" in done.stdout
    assert (lender.folder / "conformance.xml").exists()
    assert not (lender.folder / "conformance-put-back.json").exists()
