"""The audit: every change of somebody who is no dialer writes an entry, and the chain shows what was done to it."""

from __future__ import annotations

import ast
import asyncio
import csv
import json
import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from casedial.database.engine import Store, Transaction
from casedial.database.tables import audit, audit_heads, cases, notes
from casedial.domain.audit import NO_FIRM
from casedial.domain.cases import Phone
from casedial.service.campaigns import CampaignChange
from casedial.service.firms import FirmChange
from casedial.service.operations import audit as operations
from casedial.service.operations import campaigns, firms
from tests.cli.test_commands import Casedial
from tests.conftest import ME, Office, make_office

FIRM = ("--firm", "Lex & Partners")
OLD = datetime.now(UTC) - timedelta(days=400)
SOON = (datetime.now(UTC) + timedelta(days=9)).strftime("%Y-%m-%d")

# What a command does, and what it writes down; "" writes nothing.
CHANGES: list[tuple[tuple[object, ...], str]] = [
    (("firm", "set", "Lex & Partners", "--default-records", 7), "firm.set"),
    (("firm", "set", "Lex & Partners", "--default-records", 7), ""),
    (("key", "add", *FIRM, "--vendor", "Rival"), "key.add"),
    (("key", "set", 2, "--rate-limit", 9), "key.set"),
    (("key", "roll", 2, "--overlap", "1h"), "key.roll"),
    (("key", "revoke", 2), "key.revoke"),
    (("key", "revoke", 99), ""),
    (("status", "add", "Second list", *FIRM, "--type", "campaign"), "status.add"),
    (("status", "rename", "Second list", "Third list", *FIRM, "--type", "campaign"), "status.rename"),
    (("status", "retire", "Third list", *FIRM, "--type", "campaign"), "status.retire"),
    (("campaign", "set", "Intake follow-up", *FIRM, "--purpose", "client"), "campaign.set"),
    (("campaign", "pause", "Intake follow-up", *FIRM), "campaign.set"),
    (("campaign", "pause", "No such campaign", *FIRM), ""),
    (("rules", "ban", "LA", "--until", SOON, "--reason", "the storm"), "rules.ban"),
    (("rules", "lift", 1), "rules.lift"),
    (("rules", "place", "96799", "--state", "GU", "--zone", "Pacific/Pago_Pago", "--reason", "ours"), "rules.place"),
    (("cases", "import", "cases.csv", *FIRM), "case.import"),
    (("cases", "import", "cases.csv", *FIRM, "--dry-run"), ""),
    (("cases", "set", "--name", "Zaranew", "--do-not-dial", *FIRM), ""),
    (("cases", "set", "--name", "Zaranew", "--do-not-dial", *FIRM, "--yes"), "case.change case.change.done"),
    (("cases", "undo", 1, *FIRM), "case.change.undo case.change.undone"),
    (("cases", "undo", 1, *FIRM), ""),
    (("cases", "note", 7, "Zaranew has left", *FIRM), "case.note"),
    (("cases", "phone", "add", 7, "402-555-7136", *FIRM), "case.phones"),
    (("dnc", "add", "402-555-7135", "--source", "a letter of Zaranew", *FIRM), "do_not_call.add"),
    (("dnc", "remove", "402-555-7135", *FIRM), "do_not_call.remove"),
    (("cases", "delete", 7, *FIRM), ""),
    (("cases", "delete", 7, *FIRM, "--yes"), "case.delete"),
    (("backup", "copy"), "backup"),
]


async def entries(store: Store, firm_id: int | None = None) -> list[Any]:
    query = audit.select().order_by(audit.c.id)
    async with store.read() as tx:
        return list((await tx.execute(query if firm_id is None else query.where(audit.c.firm_id == firm_id))).all())


async def test_every_change_writes_an_entry_and_nothing_of_a_person(
    casedial: Casedial, office: Office, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(casedial.folder)
    (casedial.folder / "cases.csv").write_text("CaseID,Plaintiff,Phone1Name,Phone1\n7,Zaranew,Cell,402-555-7135\n")
    written: list[str] = []
    for given, action in CHANGES:
        before = len(await entries(store))
        await asyncio.to_thread(_do, casedial, given)
        found = (await entries(store))[before:]
        assert [row.action for row in found] == action.split(), given
        written += [json.dumps([str(cell) for cell in row]) for row in found]
        for row in found:
            assert (row.actor_name.endswith("(command line)"), row.origin) == (True, socket.gethostname())
            firm_id = NO_FIRM if action.startswith(("rules.", "backup")) else (await office.firm()).id
            assert row.firm_id == firm_id, given
    kept = "".join(written).lower()
    for of_the_person in ("zaranew", "5557135", "555-7135", "555-7136", "has left", "a letter of"):
        assert of_the_person not in kept


def _do(casedial: Casedial, given: tuple[object, ...]) -> None:
    from typer.testing import CliRunner

    from casedial.cli import app

    CliRunner().invoke(app, [str(word) for word in given], env=casedial.environment)


async def test_what_is_written_of_a_change(casedial: Casedial, office: Office, store: Store) -> None:
    run = casedial.json
    await asyncio.to_thread(run, "campaign", "set", "Intake follow-up", *FIRM, "--claim-timeout", "2h")
    await asyncio.to_thread(run, "firm", "set", office.name, "--min-gap", "30m", "--default-records", 9)
    told = await asyncio.to_thread(run, "audit", "list", *FIRM)
    first, second = told["entries"]
    assert (first["action"], first["subject"]) == ("campaign.set", "campaign Intake follow-up")
    assert (first["before"], first["after"]) == ({"claim_timeout": None}, {"claim_timeout": 7200})
    assert second["before"] == {"default_records": 100, "min_gap": 900}
    assert second["after"] == {"default_records": 9, "min_gap": 1800}
    assert (first["firm"], first["kind"], told["after"]) == (office.name, "command_line", None)
    only = await asyncio.to_thread(run, "audit", "list", "--action", "firm", "--since", "2026-01-01", "--limit", 1)
    assert [entry["id"] for entry in only["entries"]] == [second["id"]]
    later = await asyncio.to_thread(run, "audit", "list", "--since", SOON)
    assert later["entries"] == []
    shown = (await asyncio.to_thread(casedial.run, "audit", "list")).stdout
    assert "campaign.set" in shown
    assert '{"claim_timeout": 7200}' in shown


async def test_an_export_has_the_hashes(casedial: Casedial, office: Office, store: Store) -> None:
    await changed(store, office, 3)
    for name in ("audit.csv", "audit.jsonl"):
        told = await asyncio.to_thread(casedial.json, "audit", "export", "-o", casedial.folder / name)
        assert told["entries"] == 3
        text = (casedial.folder / name).read_text()
        rows: list[Any] = list(csv.DictReader(StringIO(text)))
        if name.endswith("l"):
            rows = [json.loads(line) for line in text.splitlines()]
        assert [row["previous"] for row in rows] == [row.previous.hex() for row in await entries(store)]
        assert (rows[0]["action"], rows[0]["previous"], len(rows[1]["previous"])) == ("firm.set", "", 64)


async def changed(store: Store, office: Office, times: int) -> None:
    for number in range(times):
        await firms.change(store, ME, office.name, FirmChange(default_records=number + 1))


async def verified(store: Store, office: Office) -> tuple[int, tuple[int | None, int | None] | None]:
    [found] = await operations.verify(store, ME, office.name)
    return found.entries, found.broken


async def test_a_chain_is_whole_whoever_writes_at_once(office: Office, store: Store) -> None:
    other = await make_office(store, "Other firm")
    at_once = [
        campaigns.change(store, ME, one.name, "Intake follow-up", CampaignChange(claim_timeout=number))
        for number in range(60, 70)
        for one in (office, other)
    ]
    await asyncio.gather(*at_once)
    found = await operations.verify(store, ME, None)
    assert [(one.firm, one.entries, one.broken) for one in found] == [
        (name, 10, None) for name in (office.name, other.name)
    ]


async def test_what_is_rolled_back_leaves_no_entry(
    office: Office, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*given: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr("casedial.service.operations.firms.note_change", failing)
        with pytest.raises(ZeroDivisionError):
            await changed(store, office, 1)
    assert (await office.firm()).default_records == 100  # no change without its entry
    assert await entries(store) == []


Tamper = Callable[[Transaction, list[int]], Awaitable[Any]]


async def _move(tx: Transaction, ids: list[int]) -> None:
    for old, new in ((ids[1], -1), (ids[2], ids[1]), (-1, ids[2])):
        await tx.execute(audit.update().where(audit.c.id == old).values(id=new))


TAMPERED: dict[str, tuple[Tamper, tuple[int | None, int | None]]] = {
    "altered": (
        lambda tx, ids: tx.execute(audit.update().where(audit.c.id == ids[1]).values(after={"default_records": 99})),
        (1, 2),
    ),
    "somebody else": (
        lambda tx, ids: tx.execute(audit.update().where(audit.c.id == ids[1]).values(actor_name="nobody")),
        (1, 2),
    ),
    "at another time": (
        lambda tx, ids: tx.execute(audit.update().where(audit.c.id == ids[0]).values(at=datetime.now(UTC))),
        (0, 1),
    ),
    "removed": (lambda tx, ids: tx.execute(audit.delete().where(audit.c.id == ids[2])), (1, 3)),
    "the first": (lambda tx, ids: tx.execute(audit.delete().where(audit.c.id == ids[0])), (None, 1)),
    "the last": (lambda tx, ids: tx.execute(audit.delete().where(audit.c.id == ids[3])), (2, None)),
    "the last altered": (
        lambda tx, ids: tx.execute(audit.update().where(audit.c.id == ids[3]).values(subject="x")),
        (3, None),
    ),
    "all": (lambda tx, ids: tx.execute(audit.delete()), (None, None)),
    "moved": (_move, (0, 1)),
    "the end": (lambda tx, ids: tx.execute(audit_heads.delete()), (3, None)),
}


@pytest.mark.parametrize("what", TAMPERED)
async def test_verify_names_the_place(casedial: Casedial, office: Office, store: Store, what: str) -> None:
    await changed(store, office, 4)
    assert await verified(store, office) == (4, None)
    ids = [row.id for row in await entries(store)]
    tamper, places = TAMPERED[what]
    async with store.write() as tx:
        await tamper(tx, ids)
    before, behind = (ids[place] if place is not None else None for place in places)
    _, broken = await verified(store, office)
    assert broken == (before, behind)
    told = (await asyncio.to_thread(casedial.run, "audit", "verify", *FIRM, status=1)).stdout
    assert "broken" in told
    for named in (before, behind):
        assert named is None or str(named) in told


async def test_verify_says_that_all_is_well(casedial: Casedial, office: Office, store: Store) -> None:
    await changed(store, office, 2)
    told = (await asyncio.to_thread(casedial.run, "audit", "verify")).stdout
    assert f"Firm {office.name}: 2 entries, none altered, removed or moved." in told


async def test_what_a_firm_leaves_when_it_goes(casedial: Casedial, office: Office, store: Store) -> None:
    await office.add(1, phones=(Phone("Cell", "4025550100"),))
    await changed(store, office, 2)
    given = ("firm", "delete", office.name, "--yes", "--confirm", office.name)
    await asyncio.to_thread(_do, casedial, given)
    async with store.read() as tx:
        if (await tx.execute(sa.select(sa.func.count()).select_from(cases))).scalar_one():
            pytest.fail("the firm is still there")
    assert [row.action for row in await entries(store)] == ["firm.delete"]


MORE: list[tuple[tuple[object, ...], str]] = [
    (("firm", "add", "New firm", "--time-zone", "UTC"), "firm.add"),
    (("firm", "rename", "New firm", "Newer firm"), "firm.rename"),
    (("key", "import", *FIRM, "--vendor", "Old", "--key", "0d4852a98cbf4c8csb0cdee1b6f31e95f"), "key.add"),
    (("status", "reorder", "Busy", *FIRM, "--type", "disposition"), "status.reorder"),
    (("status", "flag", "Busy", "--flags", "attempt", *FIRM), "status.flag"),
    (("dnc", "import", "list.csv", *FIRM), "do_not_call.import"),
    (("rules", "ban", "LA", "--until", SOON, "--reason", "the storm"), "rules.ban"),
    (("rules", "place", "96799", "--state", "GU", "--zone", "Pacific/Pago_Pago", "--reason", "ours"), "rules.place"),
    (("rules", "restore", 1), "rules.restore"),
    (("purge", "--older-than", "1d", *FIRM, "--yes"), ""),  # nothing is that old
]


async def test_further_changes(
    casedial: Casedial, office: Office, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(casedial.folder)
    (casedial.folder / "list.csv").write_text("Number\n402-555-7135\n")
    for given, action in MORE:
        before = len(await entries(store))
        await asyncio.to_thread(_do, casedial, given)
        assert [row.action for row in (await entries(store))[before:]] == ([action] if action else []), given


async def test_a_purge_is_written_down_once(casedial: Casedial, office: Office, store: Store) -> None:
    await office.add(1)
    async with store.write() as tx:
        rows = [{"firm_id": (await office.firm()).id, "case_id": 1, "text": "n", "author": "x", "created_at": OLD}] * 3
        await tx.execute(notes.insert(), rows)
    told = await asyncio.to_thread(casedial.json, "purge", "--older-than", "30d", *FIRM, "--yes")
    assert told["firms"][0]["notes"] == 3
    assert [row.action for row in await entries(store)] == ["purge"]


# What changes something, and is written down elsewhere or is nobody's change.
NOT_NOTED = {"sample.make", "changes.begin", "changes.settle"}  # a preview changes no case, and its run is noted


def test_every_operation_that_changes_something_writes_it_down() -> None:
    """An operation that takes an actor and opens a transaction to write calls ``note``, or what calls it, in it."""
    silent = set()
    for file in sorted(Path(operations.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.AsyncFunctionDef | ast.ClassDef):
                continue
            names = {part.arg for part in node.args.args} if isinstance(node, ast.AsyncFunctionDef) else _fields(node)
            called = {_called(part) for part in ast.walk(node) if isinstance(part, ast.Call)}
            writes = called & {"transact", "transact_fresh", "change_firm", "_decide"}
            if "actor" in names and writes and not called & {"note", "note_change", "note_of_user"}:
                silent.add(f"{file.stem}.{node.name}")
    assert silent <= NOT_NOTED, silent


def _fields(node: ast.ClassDef) -> set[str]:
    return {
        part.target.id for part in node.body if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
    }


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
