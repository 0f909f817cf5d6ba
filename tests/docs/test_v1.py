"""What the documents say of /v1: each route, with the examples of the OpenAPI document; the collection of requests."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tools import collection

from casedial.settings import Settings
from casedial.web.openapi import document
from casedial.web.v1 import campaigns, do_not_call, figures, statuses
from casedial.web.v1.routing import Route
from tests.docs.test_reference import read

WHOLE = document(Settings().base)
MINE = [*campaigns.ROUTES, *statuses.ROUTES, *do_not_call.ROUTES, *figures.ROUTES]
PAGE = read("v1-campaigns-and-lists.md")
EACH = pytest.mark.parametrize("route", MINE, ids=lambda route: route.name)


def wrong(schema: dict[str, Any], value: object) -> list[str]:
    found = Draft202012Validator({**schema, "components": WHOLE["components"]}).iter_errors(value)
    return [f"{error.json_path}: {error.message}" for error in found]


@EACH
def test_the_reference_has_a_heading_for_it(route: Route) -> None:
    assert f"### {route.verb} {route.path}" in PAGE.splitlines()


def test_the_reference_has_no_other() -> None:
    headings = set(re.findall(r"^### ([A-Z]+ /\S+)$", PAGE, re.MULTILINE))
    assert headings == {f"{route.verb} {route.path}" for route in MINE}


@EACH
def test_its_examples_are_as_described(route: Route) -> None:
    described = WHOLE["paths"][route.path][route.verb.lower()]
    success = described["responses"]["200"]["content"]["application/json"]
    assert wrong(success["schema"], success["example"]) == []
    assert set(success["example"]) == set(WHOLE["components"]["schemas"][route.about.reply.__name__]["properties"])
    if route.about.body:
        body = described["requestBody"]["content"]["application/json"]
        assert wrong(body["schema"], body["example"]) == []
        assert wrong(body["schema"], 7) != []


def test_the_references_json_is_that_of_the_document() -> None:
    shown = [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)]
    known = [route.about.example for route in MINE]
    known += [campaigns.CAMPAIGN, statuses.STATUS, *do_not_call.ROUTES[0].about.example["Entries"]]
    assert [one for one in shown if one not in known] == []
    assert len(shown) == 5


def test_the_collection_is_current() -> None:
    """If not: python -m tools.collection."""
    assert collection.FILE.read_text(encoding="utf-8") == collection.text()


def test_the_collection_has_every_request() -> None:
    found = {
        (one["request"]["method"], re.sub(r":(\w+)", r"{\1}", "/" + "/".join(one["request"]["url"]["path"])))
        for folder in collection.collection()["item"]
        for one in folder["item"]
    }
    known = {(verb.upper(), path) for path, operations in WHOLE["paths"].items() for verb in operations}
    assert found <= known
    assert {path for _, path in found} == {path for _, path in known}
    assert {one for one in known if one[1].startswith("/v1")} <= found
