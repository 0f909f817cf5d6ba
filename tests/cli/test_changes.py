"""casedial cases changes, undo and resume: what they say, and what the history says of it."""

from __future__ import annotations

import asyncio
import csv
from datetime import timedelta
from typing import Any

import pytest

from casedial.database.tables import changes, priority_changes
from casedial.domain.dialing import CaseFilter, Move, OperatorChange
from casedial.domain.statuses import Role
from casedial.service.operations.changes import preview
from tests.cli.test_commands import Casedial
from tests.conftest import ME, NOW, Office

FIRM = ("--firm", "Lex & Partners")
SET = ("cases", "set", "--all", *FIRM)


async def done(casedial: Casedial, *given: object, status: int = 0) -> str:
    found = await asyncio.to_thread(casedial.run, *given, status=status)
    return str(found.stdout if not status else found.stderr)


async def told(casedial: Casedial, *given: object, status: int = 0) -> Any:
    return await asyncio.to_thread(casedial.json, *given, status=status)


async def test_a_manager_who_set_the_wrong_cases_undoes_it(casedial: Casedial, office: Office) -> None:
    for case_id in (1, 2, 3):
        await office.add(case_id)
    assert await done(casedial, "cases", "changes", *FIRM) == "There are no changes.\n"
    said = await done(casedial, *SET, "--do-not-dial", "--priority", 2, "--reason", "campaign ended", "--yes")
    assert "Changed 3 cases." in said
    assert "This is change 1: casedial cases undo 1 puts them back, for 24 hours." in said
    listed = await done(casedial, "cases", "changes", *FIRM)
    for word in ("Do not Dial, priority 2", "campaign ended", "done", "(command line)"):
        assert word in listed
    await done(casedial, "cases", "set", 3, *FIRM, "--to-dial", "--yes")
    shown = await done(casedial, "cases", "changes", 1, *FIRM)
    assert "Reason: campaign ended" in shown
    assert "casedial cases undo 1 puts them back until" in shown
    undone = await done(casedial, "cases", "undo", 1, *FIRM)
    assert "State: undone." in undone
    assert "Put back 2 cases." in undone
    assert "Changed since, so left: 1 case (3)." in undone
    assert [await office.role(case_id) for case_id in (1, 2, 3)] == [Role.TO_DIAL] * 3
    said = await done(casedial, "cases", "undo", 1, *FIRM, status=1)
    assert "Change 1 was undone already. An undo is not undone: make the change again." in said
    assert "has no change 9" in await done(casedial, "cases", "undo", 9, *FIRM, status=1)
    assert "State: undone." in await done(casedial, "cases", "resume", 1, *FIRM)


async def test_changes_as_a_document(casedial: Casedial, office: Office) -> None:
    await office.add(1)
    which = ("--campaign", "intake follow-up", "--name", "Zaranew")
    await told(casedial, "cases", "set", *FIRM, *which, "--to-dial", "--at", "2026-12-01", "--yes")
    await told(casedial, "cases", "set", 1, *FIRM, "--into-campaign", "Notification campaign", "--yes")
    first = await told(casedial, "cases", "changes", *FIRM, "--limit", 1)
    assert ([one["id"] for one in first["changes"]], first["before"]) == ([2], 2)
    [change] = (await told(casedial, "cases", "changes", *FIRM, "--before", 2))["changes"]
    nothing = ("status", "disposition", "group", "due_at", "held_by")
    assert change["which"] == {"campaign": "Intake follow-up", "do_not_call": False, **dict.fromkeys(nothing)}
    assert (change["move"], change["dial_at"], change["total"]) == ("to_dial", "2026-12-01T06:00:00.000Z", 0)
    whole = await told(casedial, "cases", "undo", 2, *FIRM)
    assert (whole["state"], whole["undo_counts"]["cases"], whole["first"]) == ("undone", 1, [1])
    assert whole["undone_by"]["kind"] == "command_line"
    assert whole["left_by_undo"] == {"changed_since": [], "in_the_dialer": [], "gone": [], "unreadable": []}


async def test_without_yes_nothing_is_kept(casedial: Casedial, office: Office) -> None:
    await office.add(1)
    said = await done(casedial, *SET, "--do-not-dial")
    assert said == "This would change 1 case. Nothing was changed; add --yes to do it.\n"
    async with office.store.read() as tx:
        assert (await tx.execute(changes.select())).all() == []


async def test_one_that_is_interrupted_says_so(casedial: Casedial, office: Office) -> None:
    await office.add(1)
    await told(casedial, *SET, "--do-not-dial", "--yes")
    async with office.store.write() as tx:  # as a kill before its last transaction leaves it
        await tx.execute(
            changes.update().values(state=3, worked_until=NOW - timedelta(days=400), finished_at=None, keep_until=None)
        )
    assert "interrupted: running: 1 of 1" in await done(casedial, "cases", "changes", *FIRM)
    shown = await done(casedial, "cases", "changes", 1, *FIRM)
    assert "and so does casedial cases resume 1" in shown
    assert "State: done." in await done(casedial, "cases", "resume", 1, *FIRM)
    assert len(await office.changes(1)) == 1


async def test_one_that_was_only_previewed(casedial: Casedial, office: Office) -> None:
    """As the command leaves it that is killed before it changes anything."""
    await office.add(1)
    await preview(office.store, ME, office.name, CaseFilter(), lambda firm: OperatorChange(Move.DO_NOT_DIAL))
    shown = await done(casedial, "cases", "changes", 1, *FIRM)
    assert "State: not run." in shown
    assert "This would change 1 case. It was not run: nothing was changed." in shown
    assert "undo" not in shown


async def test_the_history_tells_of_changes_of_the_priority(casedial: Casedial, office: Office) -> None:
    await office.add(1)
    await told(casedial, "cases", "set", 1, *FIRM, "--priority", 2, "--yes")
    await told(casedial, "cases", "undo", 1, *FIRM)
    history = (await told(casedial, "cases", "show", 1, *FIRM))["history"]
    assert [(row["type"], row["status"], row["why"]) for row in history] == [
        ("Priority", "2", "was 5"),
        ("Priority", "5", "was 2"),
    ]
    file, cases = casedial.folder / "history.csv", casedial.folder / "cases.csv"
    await told(casedial, "cases", "export", *FIRM, "-o", cases, "--history", file)
    with file.open() as lines:
        rows = [(row["CaseID"], row["Type"], row["Status"], row["Why"]) for row in csv.DictReader(lines)]
    assert rows == [("1", "Priority", "2", "was 5"), ("1", "Priority", "5", "was 2")]
    async with office.store.write() as tx:
        old = NOW - timedelta(days=400)
        await tx.execute(priority_changes.update().where(priority_changes.c.after == 2).values(changed_at=old))
    purged = await told(casedial, "purge", *FIRM, "--older-than", "90d", "--yes")
    assert purged["firms"][0]["priority_changes"] == 1
    deleted = await told(casedial, "cases", "delete", 1, *FIRM, "--yes")
    assert (deleted["history"], deleted["wiped"]) == (1, True)
    async with office.store.read() as tx:
        assert (await tx.execute(priority_changes.select())).all() == []


@pytest.mark.parametrize("given", [("undo",), ("changes", "none")])
async def test_an_id_is_wanted(casedial: Casedial, given: tuple[str, ...]) -> None:
    await done(casedial, "cases", *given, *FIRM, status=2)


async def test_notes_and_the_do_not_call_list(casedial: Casedial, office: Office) -> None:
    for case_id in (1, 2):
        await office.add(case_id)
    said = await done(casedial, *SET, "--add-note", "Ask for the report.")
    assert "This would change 2 cases." in said
    assert await office.notes(1) == []
    await done(casedial, *SET, "--add-note", "Ask for the report.", "--yes")
    assert [note.text for note in await office.notes(2)] == ["Ask for the report."]
    assert "a note: Ask for the report." in await done(casedial, "cases", "changes", *FIRM)
    assert "Put back 2 cases." in await done(casedial, "cases", "undo", 1, *FIRM)
    assert await office.notes(2) == []
    listed = await told(casedial, *SET, "--put-on-do-not-call", "--reason", "moved", "--yes")
    assert (listed["cases"], listed["do_not_call"]) == (2, 2)
    assert await office.role(1) is Role.DO_NOT_DIAL
    off = await told(casedial, "cases", "set", 1, *FIRM, "--take-off-do-not-call", "--yes")
    assert off["cases"] == 1
    assert (await told(casedial, "cases", "changes", *FIRM))["changes"][0]["kind"] == "unlist"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--add-note", " "), "must not be blank"),
        (("--add-note", "x", "--to-dial"), "a change of its own"),
        (("--add-note", "x", "--put-on-do-not-call"), "say one of --add-note"),
        (("--put-on-do-not-call", "--take-off-do-not-call"), "say one of --add-note"),
        (("--put-on-do-not-call", "--priority", 2), "a change of its own"),
    ],
)
async def test_one_at_a_time(casedial: Casedial, office: Office, options: tuple[object, ...], words: str) -> None:
    assert words in await done(casedial, *SET, *options, status=2)
