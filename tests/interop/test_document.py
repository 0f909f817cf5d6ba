"""The document's schemas of replies that are written by hand, against what the server replies."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from casedial.web.examples import COUNTED, EXPLAINED
from casedial.web.openapi import document
from tests.conftest import Api, Office


def wrong(name: str, reply: Any) -> list[str]:
    whole = document("/PredictiveDialer")
    found = Draft202012Validator({"$ref": f"#/components/schemas/{name}", **whole}).iter_errors(reply)
    return [f"{error.json_path}: {error.message}" for error in found]


@pytest.mark.parametrize("dialer", ["To Dial", "In the Dialer", "Do not Dial"])
async def test_explanations_and_counts_are_as_described(api: Api, office: Office, dialer: str) -> None:
    await office.add(7, dialer=dialer)
    root = str(api.http.base_url)
    for name, path in (("ExplainReply", "/v1/cases/7/explain"), ("PreflightReply", "/v1/preflight")):
        reply = await api.http.get(f"{root}{path}", headers={"X-ApiKey": api.key})
        assert reply.status_code == 200
        assert wrong(name, reply.json()) == []
        assert set(reply.json()) == set(document("/")["components"]["schemas"][name]["properties"])


def test_their_examples_are_as_described() -> None:
    assert wrong("ExplainReply", EXPLAINED) == []
    assert wrong("PreflightReply", COUNTED) == []
    assert wrong("PreflightReply", COUNTED | {"Due": "many"}) != []
