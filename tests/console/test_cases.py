"""Cases are found, filtered and chosen; a change of many is previewed, done by servers, and undone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from casedial.console import cases as page
from casedial.console import changes as shown_by
from casedial.domain.statuses import Role
from casedial.domain.users import UserRole
from casedial.service.operations import changes as operations
from casedial.service.operations import working
from tests.console.conftest import FIRM, OTHER_FIRM, Doors, Tab

INTAKE = "Intake follow-up"


def listed(text: str) -> list[int]:
    """The CaseIDs of a list, in its order."""
    return [int(case_id) for case_id in re.findall(rf'href="/console/{FIRM}/cases/(\d+)[?"]', text)]


@pytest.fixture
async def people(doors: Doors) -> Doors:
    for case_id, name in {1: "Ann Smith", 2: "Bob <b>Jones</b>", 3: "Cy Smithers", 4: "Zed Fox"}.items():
        await doors.office.add(case_id, plaintiff=name, dial_at=datetime.now(UTC) - timedelta(days=case_id))
    await doors.office.add(5, dialer="In the Dialer", plaintiff="Smitty", campaign="Notification campaign")
    return doors


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", [1, 2, 3, 4, 5]),
        ("q=smi", [1, 3, 5]),
        ("q=(402)+555-0004", [4]),
        ("q=2", [2]),
        ("q=nobody", []),
        ("status=In+the+Dialer", [5]),
        ("campaign=Notification+campaign&q=smi", [5]),
        ("order=newest", [5, 4, 3, 2, 1]),
        ("order=dialing&due=yes", [4, 3, 2, 1]),
        ("priority=1", []),
        ("after=3", [4, 5]),
        ("after=nonsense,1,2,3&order=what", [1, 2, 3, 4, 5]),
    ],
)
async def test_what_is_listed(people: Doors, query: str, wanted: list[int]) -> None:
    tab = await people.signed_in(UserRole.VIEWER)
    shown = await tab.get(f"/{FIRM}/cases?{query}")
    assert shown.status_code == 200
    assert listed(shown.text) == wanted
    assert "<b>Jones" not in shown.text
    assert len(shown.content) < 200_000


async def test_a_filter_that_there_is_not_says_so(people: Doors) -> None:
    tab = await people.signed_in(UserRole.VIEWER)
    shown = await tab.get(f"/{FIRM}/cases?campaign=Intake+folow-up")
    assert shown.status_code == 422
    assert "Did you mean &#39;Intake follow-up&#39;?" in shown.text


async def test_pages_follow_each_other(people: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "_PAGE", 2)
    tab = await people.signed_in(UserRole.VIEWER)
    for query in ("", "q=smi", "order=newest", "order=dialing&due=yes"):
        found: list[int] = []
        address = f"/{FIRM}/cases?{query}"
        while address:
            shown = await tab.get(address)
            found += listed(shown.text)
            on = re.search(r'href="/console([^"]+)" rel="next"', shown.text)
            address = on[1].replace("&amp;", "&") if on else ""
        monkeypatch.setattr(page, "_PAGE", 50)
        assert found == listed((await tab.get(f"/{FIRM}/cases?{query}")).text)
        monkeypatch.setattr(page, "_PAGE", 2)


async def test_views_are_one_s_own(people: Doors) -> None:
    tab, other = await people.signed_in(UserRole.VIEWER), await people.signed_in(UserRole.VIEWER)
    saved = await tab.post(f"/{FIRM}/cases/views", list="q=smi&junk=1&order=newest", view="  The   Smiths ")
    assert saved.status_code == 303
    assert saved.headers["location"] == f"/console/{FIRM}/cases?q=smi&order=newest"
    shown = (await tab.get(f"/{FIRM}/cases")).text
    assert "The Smiths" in shown
    assert "The Smiths" not in (await other.get(f"/{FIRM}/cases")).text
    assert (await tab.post(f"/{FIRM}/cases/views", list="q=a", view="")).status_code == 422
    view_id = re.search(r'name="id" value="(\d+)"', shown)
    assert view_id
    await other.post(f"/{FIRM}/cases/views/remove", id=view_id[1])
    assert "The Smiths" in (await tab.get(f"/{FIRM}/cases")).text
    await tab.post(f"/{FIRM}/cases/views/remove", id=view_id[1])
    assert "The Smiths" not in (await tab.get(f"/{FIRM}/cases")).text


async def work(doors: Doors) -> None:
    """What a server does every other second."""
    server = uuid4()
    while (await working.go_on(doors.store, server))[0]:
        pass


async def begin(tab: Tab, **fields: object) -> str:
    begun = await tab.post(f"/{FIRM}/cases/change", **fields)
    assert begun.status_code == 303, begun.text
    return str(begun.headers["location"]).removeprefix("/console")


async def test_a_change_of_many_from_the_preview_to_its_undo(people: Doors) -> None:
    tab = await people.signed_in(UserRole.MANAGER)
    address = await begin(tab, list="q=smi", which="all", move="to-dial", reason="A second try")
    shown = (await tab.get(address)).text
    assert "<strong>2</strong> of 3 would be changed" in shown
    assert "<strong>1</strong> In the Dialer, and left as they are" in shown
    assert "A second try" in shown
    assert "<td>In the Dialer</td><td>Notification campaign</td>" in shown
    assert listed(shown) == [1, 3, 5]
    before = (await people.office.case(1)).dial_at
    assert (await tab.post(f"{address}/run")).status_code == 303
    assert "running" in (await tab.get(address)).text
    await work(people)
    shown = (await tab.get(address)).text
    assert "<strong>2</strong> of 3 changed" in shown
    assert (await people.office.case(1)).dial_at != before
    assert (await tab.post(f"{address}/undo")).status_code == 303
    await work(people)
    assert "undone" in (await tab.get(f"{address}/live")).text
    assert (await people.office.case(1)).dial_at == before
    assert "to-dial" not in (await tab.get(f"/{FIRM}/changes")).text
    assert (await tab.post(f"{address}/undo")).status_code == 422


async def test_only_those_that_were_chosen(people: Doors) -> None:
    tab = await people.signed_in(UserRole.MANAGER)
    address = await begin(tab, which="chosen", case=["2", "4", "x", "-1"], move="do-not-dial")
    assert (await tab.post(f"{address}/run")).status_code == 303
    await work(people)
    roles = [await people.office.role(case_id) for case_id in (1, 2, 3, 4)]
    assert roles == [Role.TO_DIAL, Role.DO_NOT_DIAL, Role.TO_DIAL, Role.DO_NOT_DIAL]


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"which": "chosen", "move": "do-not-dial"}, "which", "Choose cases by the boxes"),
        ({"which": "all"}, "move", "Say what to change."),
        ({"which": "all", "move": "to-dial", "at": "soon"}, "at", "Give a day and a time"),
        ({"which": "all", "move": "do-not-dial", "at": "2026-05-06T09:00"}, "at", "A time goes with To Dial"),
        ({"which": "all", "to_priority": "12"}, "to_priority", "A priority is 1 to 9."),
        ({"which": "all", "to_campaign": "No such"}, "", "No such"),
        ({"which": "all", "task": "note", "note": " "}, "note", "Write something."),
        ({"which": "all", "task": "note", "note": "é" * 40_000}, "note", "at most 64 KiB"),
        ({"which": "chosen", "task": "export"}, "which", "Choose cases by the boxes"),
        ({"which": "all", "move": "to-dial", "reason": "x" * 201}, "", "at most 200 characters"),
    ],
)
async def test_what_makes_no_sense_comes_back(people: Doors, fields: dict[str, str], field: str, words: str) -> None:
    tab = await people.signed_in(UserRole.MANAGER)
    again = await tab.post(f"/{FIRM}/cases/change", list="q=smi", **fields)
    assert again.status_code == 422
    assert words in again.text
    assert not field or f'id="{field}-wrong"' in again.text
    assert listed(again.text) == [1, 3, 5]  # the list is still there


async def test_above_a_thousand_the_number_is_typed(people: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (operations, shown_by):
        monkeypatch.setattr(module, "TYPED_ABOVE", 2)
    tab = await people.signed_in(UserRole.MANAGER)
    address = await begin(tab, which="all", move="do-not-dial")
    assert "Type the number of cases, 5, to go on" in (await tab.get(address)).text
    for typed in ("", "4", "five"):
        again = await tab.post(f"{address}/run", typed=typed)
        assert again.status_code == 422
        assert 'id="typed-wrong"' in again.text
    assert (await people.office.role(1)) is Role.TO_DIAL
    assert (await tab.post(f"{address}/run", typed="5")).status_code == 303


async def test_who_may_change_many(people: Doors) -> None:
    viewer = await people.signed_in(UserRole.VIEWER)
    assert "Change many" not in (await viewer.get(f"/{FIRM}/cases")).text
    refused = await viewer.post(f"/{FIRM}/cases/change", which="all", move="do-not-dial")
    assert refused.status_code == 403
    manager = await people.signed_in(UserRole.MANAGER)
    address = await begin(manager, which="all", move="do-not-dial")
    assert (await viewer.get(address)).status_code == 200
    assert (await viewer.post(f"{address}/run")).status_code == 403
    other = await people.signed_in(UserRole.MANAGER, "Other & Sons")
    theirs = address.replace(FIRM, OTHER_FIRM)
    assert (await other.get(address)).status_code == 404
    assert (await other.get(theirs)).status_code == 404
    assert (await other.post(f"{theirs}/run")).status_code == 404
    assert (await people.office.role(1)) is Role.TO_DIAL


async def test_an_empty_firm_says_what_to_do_first(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.VIEWER)
    assert "Import a spreadsheet" in (await tab.get(f"/{FIRM}/cases")).text
    assert "No changes yet" in (await tab.get(f"/{FIRM}/changes")).text


async def test_a_note_on_all_that_match_and_its_undo(people: Doors) -> None:
    tab = await people.signed_in(UserRole.MANAGER)
    address = await begin(tab, list="q=smi", which="all", task="note", note="Send <b>the</b> form.")
    shown = (await tab.get(address)).text
    assert "<strong>3</strong> of 3 would get the note" in shown
    assert "Send &lt;b&gt;the&lt;/b&gt; form." in shown
    assert "Add the note to 3 cases" in shown
    assert (await tab.post(f"{address}/run")).status_code == 303
    await work(people)
    assert "<strong>3</strong> of 3 got the note" in (await tab.get(address)).text
    assert [one.text for one in await people.office.notes(5)] == ["Send <b>the</b> form."]
    assert (await tab.post(f"{address}/undo")).status_code == 303
    await work(people)
    assert "<strong>3</strong> put back" in (await tab.get(address)).text
    assert await people.office.notes(5) == []


async def test_the_chosen_onto_the_do_not_call_list_and_off_it(people: Doors) -> None:
    tab = await people.signed_in(UserRole.MANAGER)
    address = await begin(tab, which="chosen", case=["1", "5"], task="list", reason="They asked")
    shown = (await tab.get(address)).text
    assert "<strong>2</strong> of 2 would be put on the do-not-call list" in shown
    assert "Put 2 cases on the list" in shown
    await tab.post(f"{address}/run")
    await work(people)
    assert await people.office.role(1) is Role.DO_NOT_DIAL
    assert listed((await tab.get(f"/{FIRM}/cases?listed=yes")).text) == [1, 5]
    off = await begin(tab, list="listed=yes", which="all", task="unlist")
    assert "Take 2 cases off the list" in (await tab.get(off)).text
    await tab.post(f"{off}/run")
    await work(people)
    assert listed((await tab.get(f"/{FIRM}/cases?listed=yes")).text) == []
    assert await people.office.role(1) is Role.DO_NOT_DIAL  # as it is: nobody asked for more


async def test_the_chosen_are_taken_along(people: Doors) -> None:
    tab = await people.signed_in(UserRole.MANAGER)
    address = await begin(tab, list="q=smi", which="all", task="export")
    shown = (await tab.get(address)).text
    assert "<strong>3</strong> of 3 will be in the file" in shown
    assert "Do it?" not in shown
    sent = await tab.get(f"{address}/file?what=cases&format=csv")
    assert sent.status_code == 200
    assert sent.headers["content-disposition"].startswith("attachment")
    rows = sent.content.decode("utf-8-sig").splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == ["1", "3", "5"]
    assert (await tab.get(f"{address}/file?what=notes&format=xlsx")).content[:2] == b"PK"
    assert (await tab.get(f"{address}/file?what=keys&format=csv")).status_code == 404
    assert (await tab.post(f"{address}/run")).status_code == 422
    viewer = await people.signed_in(UserRole.VIEWER)
    assert (await viewer.get(f"{address}/file?what=cases&format=csv")).status_code == 403
