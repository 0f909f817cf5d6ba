"""The documentation says what the code does: settings, commands, errors, links, examples."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from casedial.domain.errors import OperatorError, every_error
from casedial.settings import Settings, variable
from casedial.web.api import METHODS
from casedial.web.openapi import document
from casedial.web.problems import status_of
from tests.commands import whole
from tests.web.test_examples import GET_CASE_INFO, GET_CASES_TO_DIAL, UPDATE_CASE_STATUS

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]

_CODE_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def read(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """The text under a heading of the second level, up to the next one; empty where there is no such heading."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True)).get(heading, "")


def prose(text: str) -> str:
    return _CODE_BLOCK.sub("", text)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = _HEADING.findall(prose(page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, list[str]]]:
    """Every command by its whole name, with all spellings of its options."""
    command = command or whole()
    options = [spelling for p in command.params if p.param_type_name == "option" for spelling in p.opts]
    yield " ".join(("casedial", *path)), options
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))


@pytest.mark.parametrize("name", [setting.name for setting in fields(Settings)])
def test_settings_are_those_of_the_code(name: str) -> None:
    setting = next(f for f in fields(Settings) if f.name == name)
    default = f"`{setting.default}`" if setting.default != "" else "none"
    row = f"| `{variable(name)}` | {setting.type} | {default} | {setting.metadata['effect']} |"
    assert row in read("settings.md").splitlines()


def test_settings_names_no_other_variable() -> None:
    assert set(re.findall(r"CASEDIAL_\w+", read("settings.md"))) == {variable(f.name) for f in fields(Settings)}


@pytest.mark.parametrize(("name", "options"), [pytest.param(*found, id=found[0]) for found in commands()])
def test_every_command_and_option_is_described(name: str, options: list[str]) -> None:
    described = section(read("cli.md"), name)
    assert described, f"cli.md has no heading for {name}"
    rows = re.findall(r"^\| `([^`]+)`", described, re.MULTILINE)
    assert sorted(spelling for row in rows for spelling in row.split(", ") if spelling != "--help") == sorted(options)


def test_a_heading_has_a_blank_line_above() -> None:
    for page in PAGES:
        assert not re.search(r"[^\n]\n## ", prose(page.read_text(encoding="utf-8"))), page


def test_no_command_is_described_that_is_not_there() -> None:
    assert set(re.findall(r"^## (.+)$", read("cli.md"), re.MULTILINE)) == {name for name, _ in commands()}


def test_errors_are_those_of_the_code() -> None:
    wire, _, commands_only = read("errors.md").partition("## On the command line only")
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| ([^|]+) \|", wire, re.MULTILINE)
    on_wire = [error for error in every_error() if not issubclass(error, OperatorError)]
    assert rows == [(error.__name__, str(status_of(error)), error.title) for error in on_wire]
    others = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", commands_only, re.MULTILINE)
    of_commands = [error for error in every_error() if issubclass(error, OperatorError)]
    assert others == [(error.__name__, error.title) for error in of_commands]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    lost = []
    for link in _LINK.findall(prose(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.is_file() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


def json_blocks() -> list[Any]:
    """The JSON of api.md, with the order of fields."""
    found = re.findall(r"^```json\n(.*?)^```", read("api.md"), re.MULTILINE | re.DOTALL)
    return [json.loads(text, object_pairs_hook=list) for text in found]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_its_section_and_the_example_of_the_openapi_document(method: str) -> None:
    assert section(read("api.md"), method)
    post = document(Settings().base)["paths"][f"{Settings().base}/{method}"]["post"]
    example = json.dumps(post["requestBody"]["content"]["application/json"]["example"])
    assert json.loads(example, object_pairs_hook=list) in json_blocks()


@pytest.mark.parametrize("example", [GET_CASES_TO_DIAL, GET_CASE_INFO, UPDATE_CASE_STATUS])
def test_the_examples_of_the_specification_are_there(example: str) -> None:
    assert json.loads(example, object_pairs_hook=list) in json_blocks()


def test_every_file_that_architecture_names_is_there() -> None:
    text = (ROOT / "docs" / "explanation" / "architecture.md").read_text()
    named = {name for name in re.findall(r"`([a-z_/]+\.py)`", text) if "/" in name}
    assert len(named) > 15
    assert sorted(name for name in named if not (ROOT / "src" / "casedial" / name).is_file()) == []
