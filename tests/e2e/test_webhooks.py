"""Real servers that deliver webhooks, and are killed."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest

from tests.e2e.webhook_kills import Trial, judge, run


async def test_nothing_is_lost_and_all_is_in_order_under_kills(database_url: str) -> None:
    """A hundred of them: python -m tests.e2e.webhook_kills 100."""
    trial = await run(database_url, kills=3, seed=17)
    assert trial.kills == 3
    assert trial.count > 20
    judge(trial)
    for spoiled in spoilt(trial):
        with pytest.raises(AssertionError):
            judge(spoiled)


def spoilt(trial: Trial) -> Iterator[Trial]:
    """What the judge has to find: a message that never came, and two of a case that changed places."""
    notes = max(trial.written.values(), key=len)
    assert len(notes) > 1
    last = next(one for one in trial.endpoint.received if one.document["data"]["Note"] == notes[-1])
    without = copy.copy(trial)
    without.endpoint = copy.copy(trial.endpoint)
    without.endpoint.received = [one for one in trial.endpoint.received if one.id != last.id]
    yield without
    swapped = copy.copy(without)
    swapped.endpoint = copy.copy(trial.endpoint)
    swapped.endpoint.received = [last, *trial.endpoint.received]
    yield swapped
