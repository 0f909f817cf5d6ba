"""Run tests at another moment: ``python -m tests.clock 2027-03-14T06:59Z tests/cli -n 2``.

Loads a wall clock that was moved into pytest and all it starts, PostgreSQL as well. Needs gcc. The tests that load
a library of their own (tests/faults) do without it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path


def main(moment: str, *arguments: str) -> int:
    """Run pytest with these arguments from this moment on; return its exit status."""
    begins = datetime.fromisoformat(moment).astimezone(UTC)
    with tempfile.TemporaryDirectory(dir="/tmp") as room:
        Path(room).chmod(0o755)  # PostgreSQL runs as somebody else
        library = Path(room) / "moved.so"
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-O2", "-o", library, Path(__file__).with_name("moved.c")], check=True
        )
        ahead = round((begins - datetime.now(UTC)).total_seconds())
        environment = {**os.environ, "LD_PRELOAD": str(library), "CASEDIAL_TEST_CLOCK": str(ahead)}
        return subprocess.run([sys.executable, "-m", "pytest", *arguments], env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
