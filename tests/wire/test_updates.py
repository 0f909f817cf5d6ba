"""The reader of what most dialers send reads it as the general one does, or leaves it to that."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casedial.domain.dialing import CaseUpdate
from casedial.domain.errors import CasedialError
from casedial.wire.documents import Document, read_document
from casedial.wire.requests import Items, any_updates, case_updates
from casedial.wire.updates import usual_updates

ZONE = ZoneInfo("America/Chicago")
USUAL = {"CaseID": 7, "Status": "To Dial", "NextCall": "2026-05-06T09:00:00", "Attempts": 1, "Disposition": "No Answer"}

TEXTS = st.sampled_from(
    [
        *("To Dial", " to dial ", "No Answer", "Ocupado \u00e9", "", "  ", "1", "007", "\u0667", "x" * 300, "Status"),
        *("2026-05-06T09:00:00", "2026-03-08T02:30:00", "2026-11-01T01:30:00.5", "2026-05-06T09:00:00Z"),
        *("2026-05-06T09:00:00+02:00", "2026-05-06", "1899-01-01T00:00:00", ':"', '"', "a\\b", "\0", "\ud800", "\t"),
    ]
)
NUMBERS = st.sampled_from([0, 1, 7, -1, 21, 2**63 - 1, 2**63, 10**18, 10**19, 10**400, 1.0, 1.5, 1e300, True])
VALUES = st.one_of(TEXTS, NUMBERS, st.none(), st.just([]), st.just({}), st.just([1]))
NAMES = st.sampled_from([*USUAL, *USUAL, *USUAL, "caseid", "Case ID", "status", "Note", "Cases", ""])
RIGHT = st.fixed_dictionaries(
    {"CaseID": st.integers(1, 2**63 - 1)},
    optional={
        **dict.fromkeys(("Status", "Disposition"), TEXTS | st.none()),
        "NextCall": st.sampled_from(["2026-05-06T09:00:00", "2026-03-08T02:30:00", "", None]),
        "Attempts": st.sampled_from([0, 1, "1", "01", "", None, 10**18]),
    },
)


BLANK = st.sampled_from(["", "", "", "", " ", "\n\t"])
RARELY = st.sampled_from([False] * 7 + [True])


@st.composite
def written(draw: Any, value: object) -> str:
    """A JSON value as somebody may write it: blanks anywhere, escapes or none, a name that is there twice."""
    if isinstance(value, dict):
        pairs = list(value.items())
        if pairs and draw(RARELY):
            name, twice = draw(st.sampled_from(pairs))
            pairs.append((name, draw(st.just(twice) | VALUES)))
        inside = ",".join(f"{draw(written(name))}{draw(BLANK)}:{draw(written(child))}" for name, child in pairs)
        return f"{{{draw(BLANK)}{inside}}}"
    if isinstance(value, list):
        return f"[{','.join([draw(written(child)) for child in value])}{draw(BLANK)}]"
    text = json.dumps(value, ensure_ascii=draw(RARELY))
    escaped = text.replace("T", "\\u0054") if draw(RARELY) else text
    return f"{draw(BLANK)}{escaped}"


WRONG = st.dictionaries(NAMES, VALUES) | VALUES
ITEMS = st.lists(RIGHT, min_size=1, max_size=3) | st.lists(RIGHT | WRONG, max_size=3)
USUALLY = ITEMS.map(lambda items: {"Cases": items})
BODIES = st.one_of(USUALLY, USUALLY, USUALLY, ITEMS, RIGHT, VALUES).flatmap(written)


Reader = Callable[[Document, ZoneInfo], Items[CaseUpdate]]


def outcome(reader: Reader, text: bytes) -> object:
    """What comes of a body: what is read, the errors as they are told, and what is ignored."""
    document = read_document(b"", text, "")
    try:
        batch = reader(document, ZONE)
    except CasedialError as error:
        return told(error)
    echoes = [(type(echo), echo) for echo in batch.echoes]
    return echoes, [told(item) for item in batch.items], document.ignored


def told(item: object) -> object:
    return (type(item), item.detail, item.fields) if isinstance(item, CasedialError) else item


@settings(max_examples=400)
@given(BODIES)
def test_both_readers_read_the_same(body: str) -> None:
    text = body.encode("utf-8", "surrogatepass")
    assert outcome(case_updates, text) == outcome(any_updates, text)


@given(st.lists(RIGHT, min_size=1, max_size=3))
def test_what_is_as_the_specification_has_it_is_read_here(items: list[dict[str, object]]) -> None:
    text = json.dumps({"Cases": items}, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if b"\\" not in text and b"\xed\xa0\x80" not in text:
        assert usual_updates(text, ZONE) is not None


@pytest.mark.parametrize(
    "text",
    [
        b'{"Cases":[]}', b'{"Cases":[{"CaseID":1,"CaseID":2}]}', b'{"Cases":[{"CaseID":1,"Status":"a","Status" :"b"}]}',
        b'{"Cases":[{"CaseID":1}],"Cases":[{"CaseID":2}]}', b'{"Cases":[{"CaseID":1,"Note":"n"}]}', b"",
        b'{"Cases":[{"CaseID":1}]}{}', b'{"Cases":[{"CaseID":"1"}]}', b'{"Cases":[{"CaseID":1,"Status":"\xff"}]}',
        b'\xef\xbb\xbf{"Cases":[{"CaseID":1}]}', b'{"Cases":[{"CaseID":1,"Disposition":"\\u0000"}]}',
        b'{"Cases":[' + b",".join([b'{"CaseID":1}'] * 1001) + b"]}",
        b'{"Cases":[{"CaseID":1,"Status":null,"Status":null}]}',
    ],
)  # fmt: skip
def test_what_has_to_be_looked_at_closely_is_left_to_the_general_reader(text: bytes) -> None:
    assert usual_updates(text, ZONE) is None
    assert outcome(case_updates, text) == outcome(any_updates, text)


def test_what_many_items_say_alike_is_read_for_each() -> None:
    items = [{**USUAL, "CaseID": number} for number in range(1, 1001)]
    found = usual_updates(json.dumps({"Cases": items}).encode(), ZONE)
    assert found
    echoes, updates = found
    assert echoes == list(range(1, 1001)) == [item.case_id for item in updates]  # type: ignore[union-attr]
    assert {item[1:5] for item in updates} == {updates[0][1:5]}  # type: ignore[index]
