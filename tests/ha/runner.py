"""Dialers work on two servers while primaries of the cluster are lost; then the checker of chaos judges."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import asyncpg

from tests.chaos.evidence import Asked, read_journals
from tests.chaos.fleet import Fleet
from tests.chaos.runner import Plan, Runner
from tests.ha.cluster import DATABASE, TTL, Cluster, Node

UNDISTURBED = (2.0, 4.0)  # seconds in which dialers work before the next primary is lost
FAILOVER_SECONDS = 120  # within which a cluster has to be whole again
BEHIND = 1.0  # seconds by which standbys are behind when nobody waits for them

MACHINE, FROZEN, CRASH, HUNG, SWITCH = (
    *("machine lost", "machine frozen", "PostgreSQL killed"),
    *("Patroni frozen", "switchover"),  # with the former there are two that let everybody in to write
)
KINDS = (MACHINE, CRASH, FROZEN, HUNG, SWITCH)  # in turn


@dataclass
class Failover:
    """One primary that was lost: how, and when. After some seconds another was there, and after some all was well.

    ``pause`` is for how long no claim was granted meanwhile; None where none was granted later.
    """

    kind: str
    at: float
    promoted: float
    whole_at: float = 0.0
    pause: float | None = None


class FailoverRunner(Runner):
    """A round of chaos in which not the servers are killed, but the primaries of their database."""

    def __init__(self, cluster: Cluster, room: Path, seed: str, failovers: int, lagging: bool) -> None:
        super().__init__(cluster.url, room, seed, Plan(kills=0, claims=0, repeats=0, late=0))
        self._cluster, self._wanted, self._lagging = cluster, failovers, lagging
        self._luck = random.Random(seed)
        if lagging:  # then what a reader had may be lost, and it is told so
            self.readers = 0
        self.failovers: list[Failover] = []

    def _storm(self, fleet: Fleet) -> Counter[str]:
        with self._dialing(fleet, (self._wanted + 1) * FAILOVER_SECONDS):
            for number in range(self._wanted):
                time.sleep(self._luck.uniform(*UNDISTURBED))
                kind = MACHINE if self._lagging else KINDS[number % len(KINDS)]
                self.failovers.append(self._lose(kind))
                self._cluster.until_whole()
                self.failovers[-1].whole_at = time.time()
                print(f"  {kind}: another primary after {self.failovers[-1].promoted:.1f} s", flush=True)
            time.sleep(UNDISTURBED[1])
        asked = read_journals(sorted(self._journals.glob("*.jsonl")))
        for failover in self.failovers:
            failover.pause = pause_in(asked, failover.at, failover.whole_at)
        return Counter()

    def _lose(self, kind: str) -> Failover:
        old = self._cluster.primary()
        if self._lagging:
            return self._lose_behind(old)
        at = time.time()
        ways: dict[str, Callable[[], None]] = {
            MACHINE: old.kill,
            FROZEN: old.freeze,
            HUNG: lambda: old.freeze(postgres=False),
            CRASH: lambda: old.kill(patroni=False),
            SWITCH: self._cluster.switch,
        }
        ways[kind]()
        self._cluster.until_primary_beside(old)
        failover = Failover(kind, at, time.time() - at)
        self._bring_back(kind, old)
        return failover

    def _lose_behind(self, old: Node) -> Failover:
        """Lose a machine whose standbys are behind, as they are over a slow line: what they have not is lost."""
        standbys = self._cluster.standbys()
        for standby in standbys:
            standby.hold_receiver()
        time.sleep(BEHIND)
        at = time.time()
        old.kill()
        for standby in standbys:
            standby.lose_receiver()
        self._cluster.until_primary_beside(old)
        failover = Failover(MACHINE, at, time.time() - at)
        self._bring_back(MACHINE, old)
        return failover

    def _bring_back(self, kind: str, old: Node) -> None:
        """Let it come back: a frozen one wakes up later, and believes at first that it still is the primary."""
        if kind in (FROZEN, HUNG):
            time.sleep(self._luck.uniform(0, TTL))
            old.thaw()
        elif kind == MACHINE:
            time.sleep(self._luck.uniform(1, TTL / 2))
            old.start()


def pause_in(asked: list[Asked], since: float, until: float) -> float | None:
    """Return the longest time without a granted claim that began or ended in a span; None where it does not end."""
    granted = sorted(
        attempt.ended_at
        for one in asked
        if one.is_claim
        for attempt in one.attempts
        if attempt.status == 200 and attempt.ended_at and attempt.document
    )
    pauses = [(one, other) for one, other in pairwise(granted) if one <= until and other >= since]
    if not granted or granted[-1] < until or not pauses:
        return None
    return max(other - one for one, other in pauses)


def settings_of(cluster: Cluster) -> dict[str, str]:
    """Return how commits wait, as casedial's own sessions see it on the primary."""
    names = ("synchronous_commit", "synchronous_standby_names")

    async def ask() -> dict[str, str]:
        connection = await asyncpg.connect(cluster.url.replace(DATABASE, "postgres"))
        found = {name: str(await connection.fetchval("SELECT current_setting($1)", name)) for name in names}
        await connection.close()
        return found

    return asyncio.run(ask())
