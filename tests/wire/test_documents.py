"""Bytes to parameters: whatever is sent, it is read or refused, never anything else."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casedial.domain.errors import CasedialError, MalformedDocument, TooManyItems
from casedial.wire import documents, values
from casedial.wire.documents import JsonObject, Parameters, canonical, ignored_header, read_document, read_json


@given(st.binary(max_size=200), st.binary(max_size=200), st.sampled_from(["", "application/json", "text/plain"]))
def test_any_bytes_are_read_or_refused(query: bytes, body: bytes, content_type: str) -> None:
    try:
        document = read_document(query, body, content_type)
        _ = document.pairs
    except CasedialError:
        pass


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def plain(value: object) -> object:
    if isinstance(value, JsonObject):
        return {name: plain(child) for name, child in value}
    return [plain(child) for child in value] if isinstance(value, list) else value


def unstorable(value: object) -> bool:
    text = json.dumps(value, ensure_ascii=False)
    return "\\u0000" in json.dumps(value) or any("\ud800" <= c <= "\udfff" for c in text)


@given(JSON, st.booleans())
def test_json_is_read_as_it_is_or_refused_for_what_no_database_stores(value: object, escaped: bool) -> None:
    raw = json.dumps(value, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    if unstorable(value):
        with pytest.raises(MalformedDocument):
            read_json(raw)
    else:
        assert plain(read_json(raw)) == value


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"nope", b"[1,]", b"NaN", b"-Infinity", b"1e400", b"-1e999999", b"9" * 5000, b'"\\u0000"',
        b"1" + b"0" * 250 + b"e99",
        b'"\\ud800"', b'{"\\u0000":1}', b'["\\udfff\\ud800"]', b'"\xff"', b'"\x00"', b"[" * 200_000, b'{"a":' * 100_000,
    ],
)  # fmt: skip
def test_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedDocument):
        read_json(raw)


def test_an_escaped_backslash_is_no_escape() -> None:
    assert read_json(b'"\\\\u0000 \\\\ud800 \\ud83d\\ude00"') == "\\u0000 \\ud800 \U0001f600"


@pytest.mark.parametrize("name", ["Auto-change", "AutoChange", "auto_change", "AUTO CHANGE", "-auto-change_"])
def test_spellings(name: str) -> None:
    assert canonical(name) == "autochange"


def test_what_was_wrong_is_told_all_at_once() -> None:
    parameters = Parameters([("Records", "0"), ("auto_change", "maybe"), ("foo", 1)], ignored := [])
    parameters.optional("Records", values.records)
    parameters.optional("Auto-change", values.boolean)
    parameters.required("CaseID", values.case_id)
    with pytest.raises(CasedialError) as refused:
        parameters.finish()
    assert [bad.pointer for bad in refused.value.fields] == ["#/Records", "#/Auto-change", "#/CaseID"]
    assert ignored == [("foo", "#")]


@given(st.lists(st.text(max_size=600), max_size=30))
def test_the_ignored_header_is_short_and_plain(names: list[str]) -> None:
    header = ignored_header([name.encode("utf-8", "replace").decode() for name in names])
    assert len(header) <= 1024
    assert header.isascii()
    assert header.isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "{" + ",".join(f'"n{number}":1' for number in range(30_001)) + "}",
        "[" + ",".join("{}" for _ in range(30_001)) + "]",
        '{"Note":"' + '\\",' * 20 + '","x":[' + ",".join('"a,[{"' for _ in range(30_001)) + "]}",
    ],
)
def test_values_are_counted_before_they_are_read(text: str) -> None:
    with pytest.raises(TooManyItems, match="more than 30,000 values"):
        read_json(text.encode())


def test_lists_of_lists_are_counted_too() -> None:
    with pytest.raises(MalformedDocument, match="nested too deeply"):
        read_json(b"[" + b",".join([b"[" * 500 + b"]" * 500] * 70) + b"]")


@pytest.mark.parametrize("ending", ['"}', '\\"', ""])
def test_what_stands_in_a_string_is_no_value(ending: str) -> None:
    """A closed string is read, whatever is in it; one that never ends is no JSON, and found so in no time."""
    text = '{"Note":"' + ',[{\\"' * 100_000 + ending
    began = time.thread_time()
    if ending == '"}':
        assert read_json(text.encode())
    else:
        with pytest.raises(MalformedDocument):
            read_json(text.encode())
    assert time.thread_time() - began < 1


def test_long_names_of_parameters_are_not_remembered() -> None:
    canonical("x" * 64)
    known = documents._known.cache_info().currsize
    assert canonical("Auto-" + "X" * 1000) == "auto" + "x" * 1000
    assert documents._known.cache_info().currsize == known
