"""casedial firm rename and firm delete."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from casedial.cli import app
from tests.cli.test_commands import Casedial


def firms(casedial: Casedial) -> list[str]:
    return [firm["name"] for firm in casedial.json("firm", "list")]


def test_a_firm_is_renamed(casedial: Casedial) -> None:
    for name in ("Lex", "Other"):
        casedial.run("firm", "add", name, "--time-zone", "UTC")
    assert casedial.json("firm", "rename", "lex", "LEX & Partners")["name"] == "LEX & Partners"
    casedial.run("firm", "rename", "LEX & Partners", "Lex & Partners")  # the same name in another spelling
    assert casedial.json("firm", "rename", "Lex & Partners", " other ", status=1)["error"]["code"] == "FirmExists"
    assert casedial.json("firm", "rename", "Lex", "New", status=1)["error"]["code"] == "FirmNotFound"
    assert casedial.json("firm", "rename", "Other", " ", status=1)["error"]["code"] == "InvalidSetting"
    assert firms(casedial) == ["Lex & Partners", "Other"]


def test_a_firm_is_deleted_when_it_was_asked_twice(casedial: Casedial) -> None:
    casedial.run("firm", "add", "Lex", "--time-zone", "UTC")
    casedial.run("key", "add", "--firm", "Lex", "--vendor", "Acme")
    told = casedial.run("firm", "delete", "lex").stdout
    assert "This would delete Lex: 0 cases" in told
    assert "add --yes" in told
    wrong = casedial.json("firm", "delete", "Lex", "--yes", "--confirm", "Lexx", status=1)
    assert "Nothing was deleted" in wrong["error"]["message"]
    for typed, status in (("", 1), ("other\n", 1), ("lex\n", 0)):
        assert firms(casedial) == ["Lex"]
        done = CliRunner().invoke(app, ["firm", "delete", "Lex", "--yes"], input=typed, env=casedial.environment)
        assert done.exit_code == status, done.output
    assert "Deleted Lex" in done.stdout
    assert firms(casedial) == []
    assert casedial.json("key", "list") == []
    assert casedial.json("firm", "delete", "Lex", "--yes", status=1)["error"]["code"] == "FirmNotFound"
    casedial.run("firm", "add", "Lex", "--time-zone", "UTC")
    gone = json.loads(casedial.run("firm", "delete", "Lex", "--yes", "--confirm", "LEX", "--json").stdout)
    assert (gone["done"], gone["name"], gone["wiped"]) == (True, "Lex", True)
