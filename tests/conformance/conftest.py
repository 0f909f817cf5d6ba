"""Cases for a run of the conformance suite, as docs/how-to/prove-your-integration.md has them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from casedial.database.engine import Store
from casedial_client.conformance import Options, Report, Verdict, conform
from casedial_client.conformance.options import read_options
from tests.conftest import Office, make_office
from tests.servers import CASEDIAL
from tests.waiting import PATIENCE

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "prove-your-integration.md"
LENT: dict[str, Any] = {
    "campaign": "Conformance",
    "cases": "101-110",
    "closed": "108-110",
    "case_group": "Trials",
    "disposition": "Never Dialed",
}


def sample() -> str:
    """The file of cases in the guide."""
    [found] = re.findall(r"^```csv\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(found)


class Lender:
    """A firm with the guide's cases in it, and one that is none of the run's business."""

    def __init__(self, office: Office, database_url: str, folder: Path) -> None:
        self.office, self.folder, self._database_url = office, folder, database_url
        file = folder / "conformance.csv"
        file.write_text(sample())
        self.casedial("status", "add", "Conformance", "--type", "campaign")
        self.casedial("cases", "import", str(file))

    def casedial(self, *arguments: str) -> str:
        options = ("--firm", self.office.name, "--database-url", self._database_url)
        done = subprocess.run(
            [CASEDIAL, *arguments, *options], capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def export(self) -> str:
        return self.casedial("cases", "export")

    def tried(self, base: str, **options: Any) -> Report:
        key = self.folder / "key"
        key.write_text(self.office.key)
        where = {"url": base, "key_from": str(key), "put_back": str(self.folder / "put-back.json")}
        where["timeout"] = int(PATIENCE)
        return conform(read_options(Options(**{"write": True, **where, **LENT, **options})))


def failed(report: Report) -> list[str]:
    return [outcome.check.name for outcome in report.outcomes if outcome.verdict is Verdict.FAILS]


@pytest.fixture
async def office(store: Store) -> Office:
    """A firm whose clocks never change: what checks call two minutes ago is always one moment."""
    return await make_office(store, zone="America/Phoenix")


@pytest.fixture
async def lender(office: Office, database_url: str, tmp_path: Path) -> Lender:
    await office.add(7)
    return Lender(office, database_url, tmp_path)
