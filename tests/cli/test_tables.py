"""What is on the screen is what is stored; nothing that has to be read whole is folded."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest

from casedial.cli.tables import table
from tests.cli.test_commands import Casedial
from tests.conftest import Office

ODD = "Call :phone: back [/x] [red]now"


def narrow(casedial: Casedial, monkeypatch: pytest.MonkeyPatch, width: int = 80) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    casedial.environment |= {"COLUMNS": str(width), "FORCE_COLOR": "1", "TERM": "xterm"}


def lines(done: Any) -> list[str]:
    return [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in done.stdout.splitlines()]


async def test_markup_and_emoji_are_shown_as_they_are(casedial: Casedial, office: Office) -> None:
    case = await office.add(1, plaintiff=ODD)
    run = casedial.run
    firm = ("--firm", office.name)
    kind = ("--type", "Last Dialer Disposition")

    def commands() -> Iterator[Any]:
        yield run("status", "add", ODD, *firm, *kind).stdout
        yield run("status", "list", *firm, *kind).stdout
        yield run("status", "add", ODD, *firm, *kind, status=1).stderr
        run("cases", "note", case.case_id, ODD, *firm)
        yield run("cases", "show", 1, *firm).stdout
        yield run("cases", "list", *firm).stdout
        run("dnc", "add", "4025550123", "--source", ODD, *firm)
        yield run("dnc", "list", *firm).stdout
        yield run("cases", "list", "--campaign", ODD, *firm, status=1).stderr
        yield run("status", "list", "--firm", ODD, *kind, status=1).stderr
        yield run("report", "--since", ODD, *firm, status=2).stderr

    for shown in await asyncio.to_thread(lambda: list(commands())):
        assert ODD in shown


async def test_the_import_shows_cells_as_they_are(casedial: Casedial, office: Office) -> None:
    file = casedial.folder / "cases :phone: [x].csv"
    file.write_text(f"CaseID,Campaign,{ODD}\n1,{ODD},x\n2,{ODD},x\n")
    said = (await asyncio.to_thread(casedial.run, "cases", "import", file, "--firm", office.name, status=1)).stderr
    assert said.count(ODD) >= 2
    assert file.name in said


TIME = "2026-05-06T09:00:00"


def test_text_is_folded_and_nothing_else() -> None:
    columns = ("CaseID", "Plaintiff", "DialDateTime", "Phones")
    row = ("1234567890123456789", "A name that is quite long", TIME, "(402) 555-0123, (402) 555-0124")
    shown = list(table(columns, [row], 72))
    text = "\n".join(shown)
    assert max(map(len, text.splitlines())) <= 72
    assert all(whole in text for whole in (row[0], TIME, "(402) 555-0123", "(402) 555-0124"))
    assert len(text.splitlines()) > 2


def test_where_that_does_not_fit_a_row_is_a_block() -> None:
    columns = ("CaseID", "From", "Until", "Why")
    rows = [("1", TIME, TIME, "a reason " * 5), ("2", TIME, "", "none")]
    header, *blocks = table(columns, rows, 40)
    assert not header
    assert blocks[0].splitlines()[:3] == ["CaseID  1", f"From    {TIME}", f"Until   {TIME}"]
    assert blocks[1].splitlines() == ["", "CaseID  2", f"From    {TIME}", "Until", "Why     none"]


def test_what_is_piped_is_one_line_a_row() -> None:
    assert list(table(("a", "b"), [("x\ny", "long " * 100 + ".")], None)) == ["a    b", f"x y  {'long ' * 100}."]


def test_wide_letters_count_as_two() -> None:
    assert list(table(("name", "n"), [("李四五", "1")], None))[1] == "李四五  1"


async def test_a_narrow_terminal_breaks_no_time(
    casedial: Casedial, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.add(1234567890, plaintiff="A name that is quite long " * 3, case_group="A group of some length")
    narrow(casedial, monkeypatch)
    for command in (("cases", "list"), ("cases", "show", 1234567890), ("key", "list"), ("campaign", "list")):
        shown = lines(await asyncio.to_thread(casedial.run, *command, "--firm", office.name))
        assert max(map(len, shown)) <= 80, command
        found = await asyncio.to_thread(casedial.json, *command, "--firm", office.name)
        whole = set(re.findall(r"\d{10}|\d{4}-\d\d-\d\dT\d\d:", str(found))) - {"T"}
        assert {one for one in whole if "T" not in one} <= set(re.findall(r"\d{10}", "\n".join(shown)))


async def test_the_piped_list_is_never_folded(casedial: Casedial, office: Office) -> None:
    await office.add(1, plaintiff="Ann " * 60, case_group="Group " * 20)
    shown = (await asyncio.to_thread(casedial.run, "cases", "list", "--firm", office.name)).stdout
    assert len(shown.splitlines()) == 2


async def test_key_list_has_no_milliseconds(casedial: Casedial, office: Office) -> None:
    shown = (await asyncio.to_thread(casedial.run, "key", "list", "--firm", office.name)).stdout
    assert re.search(r" \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", shown)
    assert not re.search(r"\.\d\d\dZ", shown)
