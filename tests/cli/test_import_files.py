"""A file is read while the database writes: nothing of that is left when the import ends, however it ends."""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from casedial.cli import files
from casedial.service.operations import imports
from tests.conftest import Office


def written(path: Path, rows: int) -> Path:
    path.write_text("CaseID,Phone1\n" + "".join(f"{n},402555{n:04}\n" for n in range(1, rows + 1)))
    return path


def settings() -> tuple[bool, float]:
    return gc.isenabled(), sys.getswitchinterval()


async def test_every_batch_goes_in(office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "BATCH", 10)
    before = settings()
    total = await files.import_file(office.store, office.name, written(tmp_path / "some.csv", 95), files.HowToImport())
    assert (total.added, total.rejected) == (95, 0)
    assert settings() == before


async def test_an_import_that_fails_waits_for_what_it_reads(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "BATCH", 10)
    read, before, ends = imports._read_batch, settings(), []

    def slow(*given: Any) -> Any:
        time.sleep(0.1)
        batch = read(*given)
        ends.append(len(batch.entries))
        return batch

    async def failing(*given: Any) -> Any:
        raise KeyError

    monkeypatch.setattr(imports, "_read_batch", slow)
    monkeypatch.setattr(imports, "_import_batch", failing)
    with pytest.raises(KeyError):
        await files.import_file(office.store, office.name, written(tmp_path / "some.csv", 95), files.HowToImport())
    assert ends == [10, 10]
    assert settings() == before
