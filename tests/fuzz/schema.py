"""Runs Schemathesis against a server: what its own OpenAPI document allows and forbids, and one reply into the next."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from casedial.web.v1.routes import ROUTES
from tests.fuzz.target import DATABASES, KEY, Target

ROOT = Path(__file__).parents[2]
SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
OPERATIONS = 17 + len(ROUTES)
ENOUGH = 500  # from so many cases on, the first database also gets what needs no chance: some 2,000 cases
PER_OPERATION = 100  # cases by chance, at most in one run


@dataclass
class Outcome:
    """What was sent, by class of status, and what Schemathesis found."""

    answers: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    @property
    def cases(self) -> int:
        return self.answers.total()


def run(target: Target, cases: int, seed: int) -> Outcome:
    """Send at least so many test cases, in as many runs of Schemathesis as it takes."""
    outcome = Outcome()
    thorough = cases >= ENOUGH and target.database == DATABASES[0]
    phases, each = ("examples,coverage,fuzzing,stateful", 5) if thorough else ("fuzzing,stateful", _each(cases))
    while outcome.cases < cases and not outcome.faults:
        before = outcome.cases
        _run_once(target, phases, each, seed, outcome)
        if outcome.cases == before and not outcome.faults:
            outcome.faults.append("Schemathesis sent nothing")
        phases, seed = "fuzzing,stateful", seed + 1
        each = _each(cases - outcome.cases)
    return outcome


def _each(cases: int) -> int:
    """How many cases of each operation make so many, or as many as fit in one run."""
    return max(1, min(PER_OPERATION, cases // OPERATIONS))


def _run_once(target: Target, phases: str, each: int, seed: int, outcome: Outcome) -> None:
    with tempfile.TemporaryDirectory(prefix="casedial-schema-") as folder:
        report = Path(folder) / "events"
        command = [
            *(str(SCHEMATHESIS), "--config-file", str(Path(__file__).with_name("schemathesis.toml")), "run"),
            *(f"{target.server.url}/openapi.json", "--header", f"X-ApiKey:{KEY}", "--phases", phases),
            *("--max-examples", str(each), "--seed", str(seed), "--no-color", "--warnings", "off"),
            *("--request-timeout", "60", "--report", "ndjson", "--report-ndjson-path", str(report)),
        ]
        done = subprocess.run(
            command,
            cwd=folder,  # it leaves files behind
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=300 + each * OPERATIONS,
        )
        for status in _statuses(report):
            outcome.answers[f"{status // 100}xx" if status else "none"] += 1
    if done.returncode:
        said = done.stdout.partition("= FAILURES =")[2].partition("= Stateful tests =")[0]
        outcome.faults.append(f"Schemathesis, seed {seed}:\n{(said or done.stdout + done.stderr)[:10_000]}")


def _statuses(report: Path) -> Iterator[int]:
    if not report.exists():
        return
    with report.open() as events:
        for line in events:
            finished: dict[str, Any] = json.loads(line).get("ScenarioFinished", {})
            for sent in finished.get("recorder", {}).get("interactions", {}).values():
                yield (sent["response"] or {}).get("status_code", 0)
