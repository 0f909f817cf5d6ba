"""casedial doctor --acknowledge: a warning that is known does not count until its day has passed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from casedial.database.engine import Store
from casedial.service.operations import known
from casedial.service.operations.findings import Finding, Level
from casedial.service.operations.known import Judged, Known
from casedial.storage import acknowledgements
from tests.cli.test_commands import Casedial
from tests.conftest import ME

LATER = str(datetime.now(UTC).date() + timedelta(days=30))
CHECK = "calling rules"


@pytest.fixture
def today(same_day: None) -> date:
    return datetime.now(UTC).date()


@pytest.fixture
def warned(casedial: Casedial) -> Casedial:
    """Two firms, each with a campaign that no calling rules are applied in."""
    for firm in ("Lex", "Other"):
        casedial.run("firm", "add", firm, "--time-zone", "UTC")
        casedial.run("status", "add", "Intake", "--firm", firm, "--type", "campaign")
    return casedial


def warnings(casedial: Casedial, *arguments: str) -> list[dict[str, Any]]:
    """What doctor finds of this check; other checks are well."""
    level = casedial.json("doctor", *arguments, status=1)
    return [found for found in level["findings"] if found["check"] == CHECK]


def test_one_warning_is_acknowledged(warned: Casedial) -> None:
    first, second = warnings(warned)
    assert first["id"] != second["id"]
    known, other = warnings(warned, "--acknowledge", first["id"], "--reason", "We call by hand.", "--until", LATER)
    assert (known["level"], known["until"], known["reason"]) == ("acknowledged", LATER, "We call by hand.")
    assert other == second
    shown = warned.run("doctor", status=1).stdout
    assert f"{CHECK} ({first['id']}): acknowledged until {LATER}: We call by hand." in shown
    assert f"{CHECK} ({second['id']}): Give each campaign a purpose" in shown


def test_all_of_a_check_are_acknowledged_and_then_all_is_well(warned: Casedial, today: date) -> None:
    arguments = ("doctor", "--acknowledge", "Calling Rules", "--reason", "r", "--until", str(today))
    others = [f for f in warned.json("doctor", status=1)["findings"] if f["level"] == "warning" and f["check"] != CHECK]
    found = warned.json(*arguments, status=1 if others else 0)
    assert [f["level"] for f in found["findings"] if f["check"] == CHECK] == ["acknowledged"] * 2
    assert found["level"] == ("warning" if others else "ok")


async def test_it_comes_back_after_its_day(store: Store, today: date) -> None:
    finding = Finding(CHECK, Level.WARNING, "Lex: no calling rules apply in Intake.", "Do.")
    mark = Judged(finding).mark
    for until, level in ((today - timedelta(days=1), Level.WARNING), (today + timedelta(days=1), Level.OK)):
        async with store.write() as tx:
            await acknowledgements.put(tx, [mark], until, "r")
        [judged] = await known.judge(store, ME, [finding])
        assert judged.level is level
    failed = Finding(CHECK, Level.FAILURE, finding.found, "Do.")
    [judged] = await known.judge(store, ME, [failed])  # what gets worse counts
    assert (judged.level, judged.known) == (Level.FAILURE, None)


@pytest.mark.parametrize(
    ("found", "same"),
    [
        ("Lex: cases that were dialed: 9, the oldest since 2026-12-01 09:00 UTC (CaseID 7, 8, 9, …).", True),
        ("Lex: cases that were dialed: 1, the oldest since 2026-12-24 23:59 UTC (CaseID 1).", True),
        ("Other: cases that were dialed: 9, the oldest since 2026-12-01 09:00 UTC (CaseID 7).", False),
    ],
)
def test_figures_make_no_other_warning(found: str, same: bool) -> None:
    first = "Lex: cases that were dialed: 2, the oldest since 2026-11-28 10:12 UTC (CaseID 7, 12)."
    marks = {Judged(Finding("answered cases", Level.WARNING, text)).mark for text in (first, found)}
    assert (len(marks) == 1) is same


def test_what_is_refused(warned: Casedial) -> None:
    good = ("--acknowledge", CHECK, "--reason", "r", "--until", LATER)
    for odd, said in (
        (("--acknowledge", "ffffff", *good[2:]), "no warning"),
        (("--acknowledge", "schema", *good[2:]), "no warning"),  # it is well
        ((*good[:5], "2020-01-31"), "has passed"),
        ((*good[:3], " ", *good[4:]), "reason"),
        ((*good[:3], "x" * 501, *good[4:]), "reason"),
    ):
        assert said in warned.json("doctor", *odd, status=1)["error"]["message"]
    for part in (good[:2], good[:4], good[2:], (*good[:5], "tomorrow")):
        warned.run("doctor", *part, status=2)
    assert {f["level"] for f in warnings(warned)} == {"warning"}


async def test_what_was_known_is_known_anew(store: Store, today: date) -> None:
    one = Judged(Finding(CHECK, Level.WARNING, "Lex: x", "Do."))
    for reason in ("first", "second"):
        await known.acknowledge(store, ME, [one], one.mark, Known(today, reason))
    async with store.read() as tx:
        assert await acknowledgements.every(tx) == {one.mark: (today, "second")}
