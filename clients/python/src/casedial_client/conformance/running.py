"""A run from its options to its report and its exit code; every command that offers it is thin over this."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from casedial_client.conformance import checks  # noqa: F401  # which registers them
from casedial_client.conformance.judging import NotTried, Outcome, judge
from casedial_client.conformance.options import BadOptions, Options, Wanted, read_options
from casedial_client.conformance.report import Report, as_json, as_junit, as_text
from casedial_client.conformance.trial import Trial, Unusable

GOOD, FAILED, MISUSED = 0, 1, 2


def run(options: Options) -> int:
    """Do a run, print its report, and return the exit code. Raises BadOptions."""
    wanted = read_options(options)
    try:
        report = conform(wanted)
    except Unusable as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    if options.junit:
        _write(Path(options.junit), as_junit(report))
    text = as_json(report).decode() + "\n" if options.json else as_text(report)
    sys.stdout.write(text)
    if report.lost:
        sys.stderr.write(f"{len(report.lost)} cases were not put back; {_by_hand(wanted)}\n")
    return GOOD if report.is_good else FAILED


def conform(wanted: Wanted) -> Report:
    """Try every check against a server, and put back what was changed. Raises Unusable."""
    began = time.monotonic()
    trial = Trial(wanted)
    outcomes: list[Outcome] = []
    try:
        trial.find_out()
        with _ended_by_a_signal():
            try:
                outcomes += judge(trial, _borrow)
            finally:
                lost = trial.lent.put_back()
    finally:
        trial.wire.close()
    return Report(wanted.url, trial.is_casedial, outcomes, lost, time.monotonic() - began)


def _borrow(trial: Trial) -> None:
    try:
        trial.lent.begin()
    except NotTried as reason:
        raise Unusable(f"These cases cannot be used: {reason}.") from None
    except FileExistsError:
        raise Unusable(
            f"{trial.wanted.put_back} is there: an earlier run was killed before it put its cases back. First "
            f"{_by_hand(trial.wanted)}, and remove the file."
        ) from None
    except OSError as error:
        raise Unusable(f"{trial.wanted.put_back} cannot be written: {error.strerror or error}.") from None


def _by_hand(wanted: Wanted) -> str:
    return f"send {wanted.put_back} as the body of UpdateCaseStatus (casedial call UpdateCaseStatus --body FILE)"


@contextmanager
def _ended_by_a_signal() -> Iterator[None]:
    """Let SIGTERM end a run as Ctrl-C does, so that cases are put back."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, end)
    except ValueError:  # not in the main thread, which alone gets signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _write(path: Path, text: bytes) -> None:
    try:
        path.write_bytes(text)
    except OSError as error:
        raise BadOptions(f"--junit {path} cannot be written: {error.strerror or error}") from None
