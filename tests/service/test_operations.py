"""Operations by themselves, as pages and programs call them: with no file and no screen."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from io import BytesIO
from pathlib import Path

import pytest

import casedial.service
from casedial.database.engine import Store
from casedial.domain.calling import Listing
from casedial.domain.changes import Change
from casedial.domain.dialing import CaseFilter, Move, OperatorChange
from casedial.domain.errors import CaseNotFound, EndedHalfway, FirmNotFound, InvalidSetting, StorageUnavailable
from casedial.domain.figures import By
from casedial.domain.firms import Firm
from casedial.domain.importing import BadRow, FileRow
from casedial.domain.keys import Scope
from casedial.domain.phone_changes import PhoneEdit, with_phone
from casedial.domain.rules import Purpose
from casedial.domain.statuses import Flag, Role, StatusType
from casedial.service import do_not_call as steps
from casedial.service.campaigns import CampaignChange
from casedial.service.firms import FirmChange
from casedial.service.imports import ImportOptions
from casedial.service.keys import LimitChange
from casedial.service.operations import (
    calling,
    campaigns,
    cases,
    changes,
    do_not_call,
    exports,
    figures,
    firms,
    forgetting,
    imports,
    keys,
    refused,
    retention,
    sample,
    statuses,
)
from casedial.service.operations.forgetting import ReplyForm
from casedial.service.operations.imports import ImportTotal
from casedial.wire.case_source import CaseSource
from casedial.wire.exporting import CaseSheets
from casedial.wire.sheets import Form
from tests.conftest import ME, NOW, Office

SERVICE = Path(casedial.service.__file__).parent
# What a server does by itself, for nobody; for who is not known yet, or for oneself; how operations open their firms.
NOBODYS = {"account", "callers", "census", "counting", "duty", "holding_back", "names", "opening", "sample_past"}
NOBODYS |= {"import_work", "signing_in", "webhook_work", "sweeping", "upkeep", "working"}
WITHOUT_AN_ACTOR = {("cases", "every_page"), ("cases", "missing"), ("refused", "keep"), ("today", "stop")}


def names_used(file: Path) -> set[str]:
    """The names that a module imports, and the modules that it imports them from."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            found |= {str(node.module), *(alias.name for alias in node.names)}
    return found


def test_a_step_knows_no_store_and_no_operation() -> None:
    for file in SERVICE.glob("*.py"):
        used = names_used(file)
        assert "Store" not in used, file
        assert not any("operations" in name for name in used), file


def test_an_operation_takes_a_store_and_an_actor_first() -> None:
    looked_at = 0
    for file in (SERVICE / "operations").glob("[!_]*.py"):
        module = import_module(f"casedial.service.operations.{file.stem}")
        for name, function in inspect.getmembers(module, inspect.iscoroutinefunction):
            if function.__module__ != module.__name__ or name.startswith("_") or file.stem in NOBODYS:
                continue
            if (file.stem, name) in WITHOUT_AN_ACTOR:
                continue
            looked_at += 1
            assert list(inspect.signature(function).parameters)[:2] == ["store", "actor"], (file.stem, name)
    assert looked_at > 40


async def test_firms_and_their_statuses(store: Store) -> None:
    firm = await firms.add(store, ME, "Lex", "America/Chicago")
    assert (await firms.change(store, ME, "lex", FirmChange(default_records=7))).default_records == 7
    assert (await firms.rename(store, ME, "Lex", "Lux")).id == firm.id
    found = await firms.every(store, ME)
    assert [(one.name, count) for one, count in found.firms] == [("Lux", 0)]
    with pytest.raises(FirmNotFound):
        await firms.show(store, ME, "Lex")
    kind = StatusType.DISPOSITION
    await statuses.add(store, ME, "Lux", kind, "Moved")
    await statuses.rename(store, ME, "Lux", kind, "Moved", "Gone")
    await statuses.flag(store, ME, "Lux", "Gone", [Flag.FINAL])
    await statuses.reorder(store, ME, "Lux", kind, ["Gone"])
    first = (await statuses.retire(store, ME, "Lux", kind, "Gone")).statuses.of(kind)[0]
    assert (first.name, first.flags, first.retired) == ("Gone", {Flag.FINAL}, True)
    assert not (await statuses.retire(store, ME, "Lux", kind, "Gone", retired=False)).statuses.of(kind)[0].retired


async def test_a_key_from_the_making_to_the_end(office: Office) -> None:
    store = office.store
    firm, new = await keys.add(store, ME, office.name, "Other Dialer", lambda firm: LimitChange(scopes=[Scope.DIAL]))
    limited = await keys.limit(store, ME, new.id, lambda firm: LimitChange(rate_limit=9))
    assert (limited.key.vendor, limited.limits.rate_limit, limited.limits.scopes) == ("Other Dialer", 9, {Scope.DIAL})
    rolled = await keys.roll(store, ME, new.id, timedelta(hours=1), lambda firm: LimitChange())
    assert (rolled.new.vendor, rolled.new.limits.rate_limit) == ("Other Dialer", 9)
    await keys.revoke(store, ME, rolled.new.id)
    found = await keys.every(store, ME, firm.name)
    assert [(key.vendor, bool(key.revoked_at)) for key, _ in found.keys] == [
        *[("Acme Dialer", False), ("Other Dialer", False), ("Other Dialer", True)],
    ]


async def test_what_a_decision_may_let_through_is_let_go(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """By whoever decides it: nobody has to remember that."""
    let_go: list[tuple[int | None, int | None]] = []

    async def note(store: Store, firm_id: int | None = None, campaign_id: int | None = None) -> None:
        let_go.append((firm_id, campaign_id))

    for module in (firms, campaigns, do_not_call):
        monkeypatch.setattr(module, "release_held_back", note)
    firm = await firms.change(office.store, ME, office.name, FirmChange(default_records=7))
    assert let_go == []
    await firms.change(office.store, ME, office.name, FirmChange(min_gap=0))
    wanted = CampaignChange(purpose=Purpose.CLIENT)
    _, campaign = await campaigns.change(office.store, ME, office.name, "Intake follow-up", wanted)
    await campaigns.change(office.store, ME, office.name, "Intake follow-up", CampaignChange(paused=True))
    await do_not_call.add(office.store, ME, office.name, [Listing(NOW.date(), "", number="4025550101")])
    await do_not_call.remove(office.store, ME, office.name, ["4025550101"], [])
    assert let_go == [(firm.id, None), (firm.id, campaign.id), (firm.id, None)]


def off(firm: Firm) -> OperatorChange:
    return OperatorChange(Move.DO_NOT_DIAL, None, None, None)


async def test_many_cases_are_changed_and_told_of_page_by_page(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "PAGE", 2)
    for case_id in range(1, 6):
        await office.add(case_id)
    which = CaseFilter(case_ids=(1, 2, 3, 4, 9))
    told: list[tuple[int, int]] = []

    def note(change: Change) -> None:
        told.append((change.counts.cases, change.last))

    counted = await changes.rehearse(office.store, ME, office.name, which, off)
    assert (counted.counts.cases, counted.unknown) == (4, [9])
    previewed = await changes.preview(office.store, ME, office.name, which, off)
    assert (previewed.change.expected.cases, previewed.change.total, previewed.unknown) == (4, 4, [9])
    assert await office.role(1) is Role.TO_DIAL
    done = await changes.run(office.store, ME, office.name, previewed.change.id, note)
    assert (done.counts.cases, done.last, told) == (4, 4, [(2, 2), (4, 4), (4, 4)])
    assert [await office.role(case_id) for case_id in (4, 5)] == [Role.DO_NOT_DIAL, Role.TO_DIAL]
    assert (await office.history(3))[-1][2] == ME.name


async def test_one_case(office: Office) -> None:
    await office.add(1)
    await cases.add_note(office.store, ME, office.name, 1, "Called back.")
    after = await cases.change_phones(
        office.store, ME, office.name, 1, partial(with_phone, edit=PhoneEdit("4025550199", "Home"))
    )
    assert [phone.name for phone in after.each_phone()] == ["Cell", "Home"]
    shown = await cases.show(office.store, ME, office.name, 1)
    assert [(note.text, note.author) for note in shown.file.notes] == [("Called back.", ME.name)]
    assert [change.changed_by for change in shown.file.phone_changes] == [ME.name]
    listed = await cases.list_cases(office.store, ME, office.name, CaseFilter(case_ids=(1, 2)), 0, 10)
    assert ([case.case_id for case, _ in listed.cases], listed.unknown, listed.more) == ([1], [2], False)
    explained = await calling.explain(office.store, ME, office.name, 1, NOW)
    assert explained.verdict.callable
    _, counted = await calling.preflight(office.store, ME, office.name, None, NOW)
    assert (counted.due, counted.callable) == (1, 1)
    for work in (calling.explain(office.store, ME, office.name, 7, NOW), cases.show(office.store, ME, office.name, 7)):
        with pytest.raises(CaseNotFound):
            await work


async def test_a_person_is_forgotten(office: Office) -> None:
    for case_id in (1, 2):
        await office.add(case_id)
    form = ReplyForm(lambda case_id: [b"no such mark"], lambda body, case_ids: body)
    which = CaseFilter(case_ids=(1, 9))
    counted = await forgetting.forget(office.store, ME, office.name, which, False, form, do=False)
    assert (counted.cases, counted.unknown) == (1, [9])
    assert (await forgetting.forget(office.store, ME, office.name, which, False, form, do=True)).cases == 1
    assert (await cases.list_cases(office.store, ME, office.name, CaseFilter(), 0, 10)).cases[0][0].case_id == 2


async def test_a_do_not_call_list_goes_in_and_out(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(do_not_call, "_PAGE", 2)
    day = NOW.date()
    rows = [Listing(day, "a", number="4025550101"), "line 3: bad", Listing(day, "", case_id=9)]
    more = [Listing(day, "", number=f"402555020{n}") for n in range(3)]
    total = await do_not_call.import_list(office.store, ME, office.name, [*rows, *more])
    assert (total.added, total.known, total.bad, total.unknown) == (5, 0, ["line 3: bad"], [9])
    pages: list[int] = []
    assert await do_not_call.export_list(office.store, ME, office.name, lambda page: pages.append(len(page))) == 5
    assert pages == [2, 2, 1]
    found = await do_not_call.entries(office.store, ME, office.name, (["4025550101"], []), 0, 10)
    assert [entry.source for entry in found.entries] == ["a"]
    with pytest.raises(CaseNotFound, match="Nothing was added"):
        await do_not_call.add(office.store, ME, office.name, [Listing(day, "", case_id=9)])


async def test_a_list_that_breaks_off_says_what_went_in(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(do_not_call, "_PAGE", 1)

    def rows() -> Iterator[Listing | str]:
        yield Listing(NOW.date(), "", number="4025550101")
        raise InvalidSetting("line 3 is not CSV: a quote")

    with pytest.raises(InvalidSetting, match="line 3 is not CSV: a quote; 1 entries before that were added"):
        await do_not_call.import_list(office.store, ME, office.name, rows())
    away = iter([None, StorageUnavailable("The database is away.")])
    add = steps.add

    async def failing(*given: object) -> int:
        if error := next(away):
            raise error
        return await add(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(steps, "add", failing)
    both = [Listing(NOW.date(), "", number=f"402555020{n}") for n in range(2)]
    with pytest.raises(EndedHalfway, match=r"Until then 1 were added.*Run it again"):
        await do_not_call.import_list(office.store, ME, office.name, both)


class Kept:
    """What a page or a program would do with an import: no file, no screen."""

    place = "the reply"

    def __init__(self) -> None:
        self.rejected: list[tuple[int, str]] = []
        self.positions: list[int] = []
        self.ended = False

    def begin(self, columns: Sequence[str]) -> None:
        self.columns = list(columns)

    def reject(self, row: FileRow, error: BadRow) -> None:
        if error.column == "Phones":
            raise OSError(28, "No space left on device")
        self.rejected.append((row.line, error.reason))

    def reached(self, position: int) -> None:
        self.positions.append(position)

    def failed(self, total: ImportTotal) -> None:
        raise AssertionError

    def end(self, total: ImportTotal) -> None:
        self.ended = True


async def bring(office: Office, text: str, dry_run: bool = False, form: Form = Form.CSV) -> tuple[ImportTotal, Kept]:
    sink = Kept()
    source = CaseSource(BytesIO(text.encode()), form)
    total = await imports.import_cases(office.store, ME, office.name, source, sink, ImportOptions(), dry_run)
    assert sink.ended
    return total, sink


async def test_cases_come_in_without_a_file(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "BATCH", 2)
    text = "CaseID,Phone1\n1,4025550101\nx,\n2,4025550102\n3,4025550103\n"
    rehearsed, _ = await bring(office, text, dry_run=True)
    assert (rehearsed.added, rehearsed.rejected) == (3, 1)
    total, sink = await bring(office, text)
    assert (total.added, total.rejected, total.error) == (3, 1, None)
    assert sink.columns == ["CaseID", "Phone1"]
    assert [line for line, _ in sink.rejected] == [3]
    assert sink.positions == [len(text), len(text)]
    ended, _ = await bring(office, '{"CaseID": 4}\n{"CaseID": 5, "Phones": 1}\n', form=Form.JSONL)
    assert ended.error
    assert "write the reply: No space left" in ended.error.detail
    assert ended.added == 1


async def test_cases_go_out_without_a_file(office: Office) -> None:
    for case_id in (1, 2):
        await office.add(case_id)
    await cases.add_note(office.store, ME, office.name, 2, "Called back.")
    out, notes = BytesIO(), BytesIO()
    with CaseSheets(out, Form.CSV, {"notes": (notes, Form.JSONL)}) as sheets:
        written = await exports.export_cases(office.store, ME, office.name, CaseFilter(case_ids=(1, 2, 9)), sheets)
    assert (written.cases, written.unreadable, written.unknown) == (2, [], [9])
    assert [line.split(",")[0] for line in out.getvalue().decode().splitlines()] == ["CaseID", "1", "2"]
    assert b"Called back." in notes.getvalue()


async def test_what_is_over_goes(office: Office) -> None:
    await office.add(1)
    await cases.add_note(office.store, ME, office.name, 1, "Old.")
    await firms.add(office.store, ME, "Keeps all", "UTC")
    await firms.change(office.store, ME, office.name, FirmChange(retention_days=36_500))
    counted = await retention.purge(office.store, ME, None, None, do=False)
    assert ([one.name for one in counted.firms], counted.kept_for_ever, counted.rows) == (
        [office.name],
        ["Keeps all"],
        0,
    )


async def test_figures_and_refused_reports(office: Office) -> None:
    today = datetime.now(UTC).date()
    counted = await figures.count_reports(office.store, ME, office.name, today - timedelta(days=9), None)
    assert (counted.firm.name, counted.by(By.HOUR), counted.total.reports) == (office.name, {}, 0)
    with pytest.raises(InvalidSetting, match="after the last day"):
        await figures.count_reports(office.store, ME, office.name, today, today - timedelta(days=1))
    assert (await refused.last(office.store, ME, office.name))[1] == []


async def test_the_sample_firm(store: Store) -> None:
    made = await sample.make(store, ME, 200)
    assert (await firms.every(store, ME)).firms[0][1] == 200
    assert (await cases.show(store, ME, sample.FIRM, made.case_id)).file.case.role is Role.TO_DIAL
