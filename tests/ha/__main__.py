"""Lose primaries of a PostgreSQL under Patroni while dialers work, and have the checker judge: ``make ha N=10``.

Prints how long each took until claims were granted again, and exits 1 on any fault. With ``--asynchronous`` commits
wait for no standby, and every standby is a second behind when its primary is lost: it then shows what can be lost.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
from pathlib import Path

from tests.chaos.__main__ import Result, show
from tests.chaos.verdict import Verdict
from tests.ha.cluster import Cluster, missing
from tests.ha.runner import BEHIND, FROZEN, MACHINE, Failover, FailoverRunner, settings_of

GOAL = 15.0  # seconds, median, until claims go on


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.ha", description=__doc__)
    parser.add_argument("--failovers", type=int, default=10, help="primaries to lose (default 10)")
    parser.add_argument("--asynchronous", action="store_true", help="wait for no standby, and show what is lost")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--keep", type=Path, help="keep journals and logs in this folder")
    return parser.parse_args()


def run(options: argparse.Namespace, room: Path) -> tuple[Result, list[Failover]]:
    """Do it all in a folder."""
    result = Result()
    with Cluster(synchronous=not options.asynchronous) as cluster:
        print(f"  {', '.join(f'{name}={value!r}' for name, value in settings_of(cluster).items())}", flush=True)
        runner = FailoverRunner(cluster, room, str(options.seed), options.failovers, options.asynchronous)
        try:
            found = runner.run()
        finally:
            if options.keep:
                for program in (cluster.etcd, *cluster.nodes):
                    (room / f"{program.name}.log").write_text(program.log())
    result.verdict, result.rounds = found.verdict, 1
    result.done.update(found.done + found.verdict.seen)
    return result, runner.failovers


def show_times(failovers: list[Failover]) -> bool:
    """Print how long each took; tell whether that was short enough."""
    print(f"\n{'lost':<20}{'another primary':>18}{'no claims for':>18}")
    for one in failovers:
        pause = "ever" if one.pause is None else f"{one.pause:.1f} s"
        print(f"{one.kind:<20}{f'{one.promoted:.1f} s':>18}{pause:>18}")
    times = [one.pause for one in failovers if one.pause is not None]
    if len(times) < len(failovers) or not times:
        return False
    median = statistics.median(times)
    print(f"{'median':<38}{f'{median:.1f} s':>18}  (goal: under {GOAL:.0f} s)")
    machines = [one.pause for one in failovers if one.pause is not None and one.kind in (MACHINE, FROZEN)]
    if machines:
        print(f"{'median of whole machines':<38}{f'{statistics.median(machines):.1f} s':>18}")
    return median < GOAL


def show_lost(verdict: Verdict) -> None:
    """Print which promises were broken, which is no fault where no commit waits for a standby."""
    print(f"\nWith standbys {BEHIND:.0f} s behind, the failovers broke these promises, each with an example:")
    for promise, told in verdict.faults.items():
        print(f"  {promise}: {len(told):,} of {verdict.counted[promise]:,}")
        print(f"    {told[0][:160]}")
    return True


def main() -> int:
    options = arguments()
    if lacking := missing():
        print(f"ha: SKIPPED, {lacking} cannot be had here (Debian's packages).")
        return 0
    how = "asynchronous" if options.asynchronous else "synchronous"
    print(f"ha: {options.failovers} failovers with {how} replication, seed {options.seed}", flush=True)
    if options.keep:
        options.keep.mkdir(parents=True)
        result, failovers = run(options, options.keep)
    else:
        with tempfile.TemporaryDirectory(prefix="casedial-ha-") as folder:
            result, failovers = run(options, Path(folder))
    if options.asynchronous:
        is_quick = show_times(failovers)
        show_lost(result.verdict)
        return 0 if is_quick and result.verdict.faults else 1  # what it is to show is not seen where nothing is lost
    show({"postgresql": result})
    is_quick = show_times(failovers)
    return 0 if is_quick and result.verdict.is_good and not result.done["faults in servers' logs"] else 1


if __name__ == "__main__":
    sys.exit(main())
