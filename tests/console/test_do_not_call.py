"""The do-not-call list: found in any writing, added, taken off with a reason, read in from files."""

from __future__ import annotations

from html import unescape
from threading import get_ident
from typing import Any

import httpx
import pytest

from casedial.console import do_not_call as shown_by
from casedial.domain.audit import AuditFilter
from casedial.domain.calling import Listing
from casedial.domain.users import UserRole
from casedial.service.operations import audit, do_not_call
from tests.conftest import ME, NOW
from tests.console.conftest import FIRM, Doors, Tab
from tests.console.test_campaigns import fields, send

HERE = f"/{FIRM}/do-not-call"


async def listed(doors: Doors) -> list[tuple[str | int | None, str]]:
    found = await do_not_call.entries(doors.store, ME, doors.office.name, None, 0, 1000)
    return [(one.number or one.case_id, one.source) for one in found.entries]


async def put(doors: Doors, *numbers: str) -> None:
    listings = [Listing(NOW.date(), "a test", number=number) for number in numbers]
    await do_not_call.add(doors.store, ME, doors.office.name, listings)


async def test_found_in_any_writing(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.VIEWER)
    await doors.office.add(1)
    await put(doors, "4025550001")
    for text in ("(402) 555-0001", "+1 402.555.0001", "4025550001"):
        found = await tab.get(HERE, params={"find": text})
        assert "a test" in found.text
        assert f'href="/console/{FIRM}/cases/1"' in found.text
    assert "is not on the list" in (await tab.get(HERE, params={"find": "4025550002"})).text
    assert "is not on the list" in (await tab.get(HERE, params={"find": "7"})).text
    wrong = await tab.get(HERE, params={"find": "hello"})
    assert 'id="find-wrong"' in wrong.text
    assert "Take off" not in wrong.text


async def test_pages_there_and_back(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.VIEWER)
    numbers = [f"40255502{n:02}" for n in range(100)] + ["+442071838750"]
    await put(doors, *numbers)
    first = await tab.get(HERE)
    assert 'rel="prev"' not in first.text
    second = await tab.get(HERE, params={"after": sorted(numbers)[49]})
    third = await tab.get(HERE, params={"after": sorted(numbers)[99]})
    for page, own in zip((first, second, third), (numbers[:49], numbers[49:99], numbers[99:100]), strict=True):
        for number in own:
            assert f'<th scope="row">{number}</th>' in page.text
    assert 'rel="next"' not in third.text
    assert 'rel="prev"' in third.text
    back = await tab.get(HERE, params={"before": sorted(numbers)[100]})
    assert f'<th scope="row">{sorted(numbers)[50]}</th>' in back.text
    for nonsense in ("' OR 1=1", "9" * 40, "\u00e9"):
        assert (await tab.get(HERE, params={"of": "cases", "after": nonsense})).status_code == 200


async def test_add(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.MANAGER)
    await doors.office.add(7)
    await put(doors, "4025550001")
    form = {"token": await tab.token()}
    typed = {"numbers": "(402) 555-0001\r\n402-555-0007", "cases": "7", "source": "they called us"}
    review = await send(tab, f"{HERE}/add", form, **typed)
    assert "1 of these 3" in review.text
    assert "Cases that have one of these numbers: 7." in review.text
    assert len(await listed(doors)) == 1
    saved = await send(tab, f"{HERE}/add", fields(review), do="save")
    assert saved.status_code == 303, saved.text
    assert (await listed(doors))[1:] == [("4025550007", "they called us"), (7, "they called us")]
    assert "case 7" in (await tab.get(f"{HERE}?of=cases")).text
    await send(tab, f"{HERE}/add", form, numbers="4025550008", do="save")
    assert (await listed(doors))[-1] == ("4025550008", f"added by {tab.name}")


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"numbers": ""}, "Type at least one number"),
        ({"numbers": "hello"}, "cannot be dialed"),
        ({"cases": "seven"}, "is not a CaseID"),
        ({"cases": "99"}, "has no case 99"),
        ({"numbers": "\n".join(f"402555{n:04}" for n in range(1001))}, "read more than 1,000 in from a file"),
    ],
)
async def test_bad_input_comes_back(doors: Doors, typed: dict[str, str], told: str) -> None:
    tab = await doors.signed_in(UserRole.MANAGER)
    reply = await send(tab, f"{HERE}/add", {"token": await tab.token()}, **typed, do="save")
    assert reply.status_code == 422
    assert told in unescape(reply.text)
    assert await listed(doors) == []


async def test_take_off(doors: Doors) -> None:
    office, tab = doors.office, await doors.signed_in(UserRole.MANAGER)
    await office.add(3, dialer="Do not Dial")
    await put(doors, "4025550003")
    form = fields(await tab.get(f"{HERE}/remove", params={"number": "4025550003"}))
    for reason, told in (("", "Say why"), ("they called from 402-555-0003", "without a phone number")):
        refused = await send(tab, f"{HERE}/remove", form, reason=reason)
        assert refused.status_code == 422
        assert told in refused.text
    assert len(await listed(doors)) == 1
    done = await send(tab, f"{HERE}/remove", form, reason="they asked to be called again")
    assert "It is off the list" in done.text
    assert f'href="/console/{FIRM}/cases/3"' in done.text
    assert await listed(doors) == []
    found = await audit.entries(office.store, ME, office.name, AuditFilter(action="do_not_call.remove"), 0, 10)
    [kept] = found.entries
    assert kept.entry.after == {"reason": "they asked to be called again"}
    assert kept.entry.actor.name == tab.name
    assert "It was not on the list" in (await send(tab, f"{HERE}/remove", form, reason="again")).text


async def upload(tab: Tab, text: str, do: str) -> httpx.Response:
    data = {"token": await tab.token(), "do": do}
    return await tab.http.post(f"/console{HERE}/import", data=data, files={"file": ("list.csv", text.encode())})


async def test_a_file(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.MANAGER)
    await doors.office.add(7)
    await put(doors, "4025550001")
    text = "Number,CaseID,Date,Source\n402-555-0001,,,\n402-555-0002,,2026-01-02,a letter\n,7,,\n,8,,\nhello,,,\n"
    looked = await upload(tab, text, "check")
    assert "<strong>3</strong> would be added; 1 are on the list already" in looked.text
    assert "hello" in looked.text
    assert "does not have these cases (yet): 8" in looked.text
    assert len(await listed(doors)) == 1
    added = await upload(tab, text, "save")
    assert "<strong>3</strong> added; 1 were on the list already" in added.text
    assert ("4025550002", "a letter") in await listed(doors)
    assert (7, "list.csv") in await listed(doors)
    assert (await upload(tab, "no columns here", "check")).status_code == 422
    nothing = await tab.post(f"{HERE}/import")
    assert nothing.status_code == 422
    assert "Choose a file first." in nothing.text


async def test_a_file_is_read_beside_dialers(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workbook takes a process, and seconds: dialers wait for one thread, and it is opened in another."""
    threads: list[int] = []
    read = shown_by.read_listings

    def read_noted(*given: Any) -> Any:
        threads.append(get_ident())
        return read(*given)

    monkeypatch.setattr(shown_by, "read_listings", read_noted)
    tab = await doors.signed_in(UserRole.MANAGER)
    assert "<strong>1</strong> added" in (await upload(tab, "Number\n4025550001\n", "save")).text
    assert len(threads) == 1
    assert get_ident() not in threads


async def test_a_file_that_is_too_long_for_a_request(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown_by, "_MOST_READ", 2)
    tab = await doors.signed_in(UserRole.MANAGER)
    numbers = "".join(f"402555{number:04}\n" for number in range(3))
    for do in ("check", "save"):
        refused = await upload(tab, f"Number\n{numbers}", do)
        assert refused.status_code == 422
        assert "more than 2 rows. Nothing was changed" in refused.text
    assert await listed(doors) == []
    assert (await upload(tab, f"Number\n{numbers[:22]}", "save")).status_code == 200
    assert len(await listed(doors)) == 2


async def test_viewers_look(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.VIEWER)
    await put(doors, "4025550001")
    shown = await tab.get(HERE)
    assert "4025550001" in shown.text
    assert "Take off" not in shown.text
    assert (await tab.get(f"{HERE}/remove?number=4025550001")).status_code == 403
    for what in ("add", "remove", "import"):
        assert (await tab.post(f"{HERE}/{what}", numbers="4025550009", reason="x", do="save")).status_code == 403
    assert len(await listed(doors)) == 1
