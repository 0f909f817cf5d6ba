"""What several workers count, added up in memory that they share."""

from __future__ import annotations

import os

from casedial.web import counts
from casedial.web.counts import Counted, Shared


def sample(name: str, value: float, **labels: str) -> Counted:
    return {(name, f"{name}_total", tuple(labels.items())): value}


def test_a_place_holds_what_was_put_last() -> None:
    shared = Shared(2)
    assert shared.get(0) == {}
    assert not shared.is_taken(0)
    for number in range(600):  # past the byte that says which half is whole
        shared.put(0, sample("x", number, a="é"))
        assert shared.get(0) == sample("x", number, a="é")
        assert shared.is_taken(0)
    assert shared.get(1) == {}


def test_a_write_that_was_cut_off_spoils_nothing() -> None:
    shared = Shared(1)
    shared.put(0, sample("x", 1))
    turn = shared._memory[0]
    shared.put(0, sample("x", 2))
    shared._memory[0] = turn  # as it is until the very end of a write
    assert shared.get(0) == sample("x", 1)


def test_more_than_there_is_room_for_leaves_what_was_there() -> None:
    shared = Shared(1)
    shared.put(0, sample("x", 1))
    shared.put(0, {("x", "x_total", (("a", "y" * counts._ROOM),)): 1.0})
    assert shared.get(0) == sample("x", 1)


def test_processes_share_it() -> None:
    shared = Shared(1)
    child = os.fork()
    if child == 0:
        shared.put(1, sample("x", 7))
        os._exit(0)
    os.waitpid(child, 0)
    assert shared.get(1) == sample("x", 7)


def test_counters_are_summed_and_of_gauges_the_largest_counts() -> None:
    gauge, counter = "casedial_last_claim", "casedial_requests"
    several = [sample(gauge, 5) | sample(counter, 5), sample(gauge, 7) | sample(counter, 7), sample(gauge, 6)]
    assert counts._sum(several) == sample(gauge, 7) | sample(counter, 12)
