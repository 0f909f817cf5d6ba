"""Import, export and audit as a person meets them: pages, forms, files; nothing is written before it is wanted."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from threading import get_ident
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from casedial.console import audit, downloads, forms
from casedial.domain.users import UserRole
from casedial.service.operations import import_jobs as operations
from casedial.service.operations import import_work
from casedial.service.operations.import_work import Worker
from casedial.wire import writing
from casedial.wire.uploads import Reading
from tests.console.conftest import FIRM, OTHER_FIRM, Doors, Tab
from tests.wire.test_workbooks import far, people, read, workbook

TEXT = "Case Number;Client;Phone;Shut\n7;Ann Lee;4025550107;5/6/2026\nx8;<b>Bob</b>;;\n9;=Cy;+44 20 7946 0958;\n"
MEANS = {"column-0": "CaseID", "column-1": "Plaintiff", "column-2": "Phone1", "column-3": "Closed"}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small files be done when the page comes, however slow the machine is."""
    monkeypatch.setattr(operations, "_PATIENCE", 60.0)


async def send(tab: Tab, content: bytes, name: str = "cases.csv", firm: str = FIRM, **fields: str) -> httpx.Response:
    token = await tab.token()
    return await tab.http.post(
        f"/console/{firm}/import", data={"token": token, **fields}, files={"file": (name, content)}
    )


async def sent(tab: Tab, content: str | bytes, name: str = "cases.csv") -> str:
    """Send a file; return the path of its page."""
    reply = await send(tab, content.encode() if isinstance(content, str) else content, name)
    assert reply.status_code == 303, reply.text
    return reply.headers["location"].removeprefix("/console")


async def test_a_file_goes_in_page_by_page(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.MANAGER)
    assert "Nothing is imported yet" in (await tab.get(f"/{FIRM}/import")).text
    path = await sent(tab, TEXT, "C:\\spring.csv")
    matching = await tab.get(path)
    assert "What do the columns mean?" in matching.text
    assert "spring.csv: 3 rows. Cells are separated by semicolons." in matching.text
    assert re.findall(r"<option selected>(\w+)</option>", matching.text) == ["CaseID", "Plaintiff", "Phone1"]
    again = await tab.post(f"{path}/check", **MEANS | {"column-0": ""})
    assert again.status_code == 422
    assert "Say which column has the CaseID" in again.text
    asked = await tab.post(f"{path}/check", **MEANS)
    assert asked.status_code == 422
    assert "Line 2 has the date" in asked.text
    assert 'id="order"' in asked.text.split("autofocus")[0].rsplit("<select", 1)[1]
    checked = await tab.post(f"{path}/check", **MEANS, order="day-first")
    assert checked.status_code == 303
    shown = (await tab.get(path)).text
    assert "Import 2 rows, and leave 1 out" in shown
    assert "&lt;b&gt;Bob" in shown
    assert "<b>Bob" not in shown
    async with doors.store.read() as tx:
        assert (await tx.execute(sa.text("SELECT count(*) FROM cases"))).scalar_one() == 0
    assert (await tab.post(f"{path}/run")).status_code == 303
    done = (await tab.get(path)).text
    assert "Imported" in done
    assert "Remove the cases that it added" in done
    case = await doors.office.case(7)
    assert (case.plaintiff, str(case.closed_on)) == ("Ann Lee", "2026-06-05")
    rejects = await tab.get(f"{path}/rejects")
    assert rejects.headers["content-disposition"].startswith("attachment")
    rows = list(csv.reader(io.StringIO(rejects.text)))
    assert rows[0] == ["RejectLine", "RejectColumn", "RejectReason", "CaseID", "Plaintiff", "Phone1", "Closed"]
    assert rows[1][:2] == ["3", "CaseID"]
    assert (await tab.post(f"{path}/undo")).status_code == 303
    assert "2 were removed" in (await tab.get(path)).text
    listed = (await tab.get(f"/{FIRM}/import")).text
    assert "undone" in listed
    assert "spring.csv" in listed


async def test_the_columns_are_remembered_and_a_workbook_is_read(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.MANAGER)
    path = await sent(tab, "Nr,Wer\n7,Ann\n")
    assert (await tab.post(f"{path}/check", **{"column-0": "CaseID", "column-1": "Plaintiff"})).status_code == 303
    assert "Change what the columns mean" in (await tab.get(path)).text
    assert "What do the columns mean?" in (await tab.get(f"{path}?columns=1")).text
    next_file = await tab.get(await sent(tab, "NR,wer\n8,Bob\n"))
    assert re.findall(r"<option selected>(\w+)</option>", next_file.text) == ["CaseID", "Plaintiff"]
    path = await sent(tab, workbook(People=people), "people.xlsx")
    assert "2 rows" in (await tab.get(path)).text
    assert (await tab.post(f"{path}/discard")).status_code == 303
    assert (await tab.get(path)).status_code == 404


MESSY: dict[str, tuple[bytes, str, str]] = {
    "nothing chosen": (b"", "", "Choose a file."),
    "0 bytes": (b"", "empty.csv", "The file is empty (0 bytes)"),
    "a bomb": (workbook(Far=far), "far.xlsx", "takes more memory than casedial gives"),
    "a pdf": (b"%PDF-1.7", "x.pdf", "is a PDF document"),
    "rows without a header": (b"7,Ann,4025550107\n", "x.csv", "looks like a row: put a header above it"),
    "half a workbook": (workbook(People=people)[:900], "x.xlsx", "incomplete or damaged"),
}


@pytest.mark.parametrize("name", MESSY)
async def test_what_cannot_be_read_is_said_at_the_field(doors: Doors, name: str) -> None:
    content, file_name, says = MESSY[name]
    tab = await doors.signed_in(UserRole.MANAGER)
    reply = await send(tab, content, file_name)
    assert reply.status_code == 422, reply.text
    assert says in reply.text
    assert 'aria-invalid="true" autofocus' in reply.text


async def test_64_mib_are_taken_and_more_is_refused(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.MANAGER)
    row = b"%d," + b"x" * 190 + b"\n"
    some = b"CaseID,Plaintiff\n" + b"".join(row % n for n in range(10, 60_010))
    assert (await send(tab, some)).status_code == 303
    reply = await send(tab, b"CaseID\n" + b"7\n" * (32 * 1024 * 1024))
    assert reply.status_code == 413
    assert "64 MiB" in reply.text


async def test_an_import_goes_on_without_who_began_it_and_is_shown_live(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "PIECE", 2)
    monkeypatch.setattr(operations, "_PATIENCE", 0.0)
    tab = await doors.signed_in(UserRole.MANAGER)
    path = await sent(tab, "CaseID\n" + "".join(f"{n}\n" for n in range(1, 10)))
    assert (await tab.post(f"{path}/check", **{"column-0": "CaseID"})).status_code == 303
    shown = (await tab.get(path)).text
    assert "Checking the file: 0 %" in shown
    assert f'data-live="/console{path}/live"' in shown
    worker = Worker(Reading())
    await import_work.go_on(doors.store, worker)
    fragment = await tab.get(f"{path}/live")
    assert "Checking the file: 20 %" in fragment.text
    assert "<html" not in fragment.text
    same = await tab.get(f"{path}/live", headers={"if-none-match": fragment.headers["etag"]})
    assert same.status_code == 304
    while (await import_work.go_on(doors.store, worker))[0]:
        pass
    assert "Import 9 rows" in (await tab.get(f"{path}/live")).text
    assert (await tab.post(f"{path}/run")).status_code == 303
    assert "Importing: 0 %" in (await tab.get(path)).text
    while (await import_work.go_on(doors.store, worker))[0]:
        pass
    assert "Imported" in (await tab.get(path)).text


async def test_faulty_rows_come_page_by_page(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.MANAGER)
    path = await sent(tab, "CaseID\n" + "x\n" * 1120)
    await tab.post(f"{path}/check", **{"column-0": "CaseID"})
    lines: list[int] = []
    at: str | None = path
    while at:
        shown = (await tab.get(at)).text
        lines += map(int, (n.replace(",", "") for n in re.findall(r'class="number">([\d,]+)</th>', shown)))
        found = re.search(r'<a href="/console([^"]+)" rel="next"', shown)
        at = found[1].replace("&amp;", "&") if found else None
    assert lines == list(range(2, 1122))


async def test_who_may_and_of_which_firm(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.MANAGER)
    path = await sent(tab, TEXT)
    viewer = await doors.signed_in(UserRole.VIEWER)
    other = await doors.signed_in(UserRole.MANAGER, "Other & Sons")
    for page in ("/import", "/export", "/export/file"):
        assert (await viewer.get(f"/{FIRM}{page}")).status_code == 403
        assert (await other.get(f"/{FIRM}{page}")).status_code == 404
    assert (await send(viewer, b"CaseID\n7\n")).status_code == 403
    assert (await viewer.get(path)).status_code == 403
    assert (await other.get(path)).status_code == 404
    elsewhere = path.replace(FIRM, OTHER_FIRM)
    for action in ("", "/rejects", "/live"):
        assert (await other.get(f"{elsewhere}{action}")).status_code in (404, 422)
    for action in ("/check", "/run", "/undo", "/discard"):
        reply = await other.post(f"{elsewhere}{action}", **MEANS)
        assert reply.status_code in (404, 422), action
    assert "What do the columns mean?" in (await tab.get(path)).text
    assert (await tab.http.post(f"/console{path}/run", data={"token": "0" * 64})).status_code == 403
    for page in ("/audit", "/audit/file"):
        assert (await tab.get(f"/{FIRM}{page}")).status_code == 403


async def test_exports(doors: Doors) -> None:
    await doors.office.add(7, plaintiff="=1+1", disposition="Busy")
    await doors.office.add(8, plaintiff="Bob")
    tab = await doors.signed_in(UserRole.MANAGER)
    assert 'value="Intake follow-up"' in (await tab.get(f"/{FIRM}/export")).text
    reply = await tab.get(f"/{FIRM}/export/file?what=cases&format=csv&disposition=Busy")
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert [(row["CaseID"], row["Plaintiff"]) for row in rows] == [("7", "'=1+1")]
    assert re.search(r"cases-lex-partners-\d{4}-\d\d-\d\d\.csv", reply.headers["content-disposition"])
    for what in ("cases", "notes", "calls", "history"):
        reply = await tab.get(f"/{FIRM}/export/file?what={what}&format=xlsx")
        assert read(reply.content)[0][0][0] == "CaseID", what
    assert (await tab.get(f"/{FIRM}/export/file?what=keys")).status_code == 404
    administrator = await doors.signed_in(UserRole.ADMINISTRATOR)
    told = (await administrator.get(f"/{FIRM}/audit?action=case")).text
    assert told.count("case.export") == 5
    assert "disposition: Busy" in told
    assert (await tab.get(f"/{FIRM}/export/file?campaign=none+such")).status_code == 422


async def test_a_workbook_is_put_together_beside_dialers(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    """That takes seconds for a hundred thousand rows: dialers wait for one thread, and it is done in another."""
    threads: list[int] = []
    close = writing._Workbook.close

    def close_noted(book: writing._Workbook) -> None:
        threads.append(get_ident())
        close(book)

    monkeypatch.setattr(writing._Workbook, "close", close_noted)
    await doors.office.add(7)
    tab = await doors.signed_in(UserRole.MANAGER)
    for what in ("cases", "notes"):
        reply = await tab.get(f"/{FIRM}/export/file?what={what}&format=xlsx")
        assert read(reply.content)[0][0][0] == "CaseID"
    assert len(threads) == 2
    assert get_ident() not in threads


async def test_a_full_disk_is_told(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    await doors.office.add(7)
    tab = await doors.signed_in(UserRole.MANAGER)

    def full(*given: Any) -> Any:
        return Path("/dev/full").open("r+b", buffering=0)

    monkeypatch.setattr(downloads.tempfile, "TemporaryFile", full)
    for form in ("csv", "xlsx"):
        reply = await tab.get(f"/{FIRM}/export/file?format={form}")
        assert reply.status_code == 422, form
        assert "No space left on device" in reply.text
        assert "nothing was changed" in reply.text


async def test_an_upload_to_a_full_disk_is_told(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    tab = await doors.signed_in(UserRole.MANAGER)
    token = await tab.token()

    def full(*given: Any) -> Any:
        return Path("/dev/full").open("r+b", buffering=0)

    monkeypatch.setattr(forms.tempfile, "SpooledTemporaryFile", full)
    for path in ("import", "do-not-call/import"):
        files = {"file": ("cases.csv", b"CaseID\n7\n")}
        reply = await tab.http.post(f"/console/{FIRM}/{path}", data={"token": token}, files=files)
        assert reply.status_code == 422, path
        assert "No space left on device. Nothing was changed." in reply.text


async def test_the_audit_is_shown_filtered_sent_and_verified(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.ADMINISTRATOR)
    for _ in range(60):
        path = await sent(tab, "CaseID\n7\n")
        await tab.post(f"{path}/discard")
    first = (await tab.get(f"/{FIRM}/audit?action=import")).text
    assert first.count("<code>import.") == 50
    found = re.search(r'<a href="/console([^"]+)" rel="next"', first)
    assert found
    assert (await tab.get(found[1].replace("&amp;", "&"))).text.count("<code>import.") == 50
    assert "No such entries" in (await tab.get(f"/{FIRM}/audit?by=nobody")).text
    assert "No such entries" in (await tab.get(f"/{FIRM}/audit?until=2020-01-01")).text
    wrong = await tab.get(f"/{FIRM}/audit?since=soon")
    assert wrong.status_code == 422
    assert "This is not a day" in wrong.text
    reply = await tab.get(f"/{FIRM}/audit/file?format=csv&action=import.discard")
    assert len(list(csv.DictReader(io.StringIO(reply.text)))) == 60
    assert (await tab.get(f"/{FIRM}/audit/file?format=jsonl")).text.count('"previous"') >= 120
    whole = await tab.post(f"/{FIRM}/audit/verify")
    assert "entries none was altered, removed or moved" in whole.text
    async with doors.store.write() as tx:
        await tx.execute(sa.text("UPDATE audit SET subject = 'x' WHERE id = 20"))
    assert "was altered" in (await tab.post(f"/{FIRM}/audit/verify")).text


def test_values_of_the_audit_are_told_as_people_read_them() -> None:
    day = {"opens": 540, "closes": 1050}
    told = audit._facts({"hours": [{"windows": [day, None], "wider": False}], "min_gap": "", "flags": [], "cases": 0})
    assert told == "hours: (windows: 09:00-17:30, –; wider: no); min gap: –; flags: –; cases: 0"
